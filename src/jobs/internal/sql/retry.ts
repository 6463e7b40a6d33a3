/**
 * retry_now: scheduled and retryable jobs are due now; discarded and cancelled ones as well, with their attempts counted
 * anew. The epoch goes on. Unique keys are not taken again. Answers those that took it.
 */
import { byKey } from "./settings.ts"

export const retry = (s: string): ReadonlyArray<string> => [
  `create function ${s}.retry_now(p_job bigint[]) returns bigint[] language plpgsql ${byKey} as $$
#variable_conflict use_column
declare taken bigint[];
begin
with e as (
  delete from ${s}.done where job_id = any(p_job) and outcome in ('f', 'x')
    and exists (select from ${s}.job j where j.id = job_id)
  returning job_id, epoch
), l as (
  insert into ${s}.later(run_at, job_id, ord, queue_id, epoch, limit_id, limit_key, priority, attempt, lost, state)
  select now(), b.id, b.ord, b.queue_id, e.epoch + 1, b.limit_id, b.limit_key, b.priority, 0, 0, 's'
  from e join ${s}.job b on b.id = e.job_id
  returning job_id
), k as materialized (
  select x.ctid as tid from ${s}.later x where x.job_id = any(p_job) and x.state in ('s', 'r') order by x.job_id for update
), u as (
  update ${s}.later x set run_at = least(x.run_at, now()) where x.ctid = any(array(select tid from k)) returning x.job_id
)
select array(select job_id from l union all select job_id from u) into taken;
return taken;
end $$`
]

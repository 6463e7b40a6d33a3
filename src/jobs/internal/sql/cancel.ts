/**
 * cancel: at once where the job does not run, through the mailbox of its worker where it does.
 *
 * The row of the hot table is locked before it is decided, so that a claim or a finish of the same moment comes before or
 * after. What is locked by one of those, or moved between the tables meanwhile, answers `missed`: ask again. With p_wait
 * locks are waited for; of several jobs that could end in a circle with a finish of the same. p_release false leaves permits to the
 * caller, for a transaction that may stay open.
 *
 * What became of a job is the furthest that any step came with it: the steps are not joined, as hashes are not used here.
 */
import { byKey } from "./settings.ts"

export const cancel = (s: string): ReadonlyArray<string> => [
  `create function ${s}.cancel(p_job bigint[], p_reason jsonb, p_cause jsonb, p_release boolean, p_wait boolean)
returns table (job_id bigint, result text, worker_id int, woken int[]) language plpgsql ${byKey} as $$
#variable_conflict use_column
declare gone bigint[]; awake int[] := '{}';
begin
if p_wait then
  perform from ${s}.job j join ${s}.ready r
    on r.queue_id = j.queue_id and r.priority = j.priority and r.ord = j.ord and r.job_id = j.id
  where j.id = any(p_job) order by j.id for update of r;
end if;
return query
with b as materialized (
  select j.id, j.queue_id, j.priority, j.ord from ${s}.job j where j.id = any(p_job)
), k as materialized (
  select r.ctid as tid, r.job_id, r.worker_id from b join ${s}.ready r
    on r.queue_id = b.queue_id and r.priority = b.priority and r.ord = b.ord and r.job_id = b.id
  order by r.queue_id, r.priority, r.ord, r.job_id for update of r skip locked
), lk as materialized (
  select l.ctid as tid from ${s}.later l where l.job_id = any(p_job) order by l.job_id for update
), dl as (delete from ${s}.later l where l.ctid = any(array(select tid from lk)) returning l.job_id, l.epoch, l.attempt, l.lost
), dr as (
  delete from ${s}.ready r where r.ctid = any(array(select tid from k where worker_id is null)) and r.worker_id is null
  returning r.job_id, r.epoch, r.attempt, r.lost
), g as materialized (select * from dl union all select * from dr
), m as (
  insert into ${s}.control(worker_id, job_id, action, reason)
  select worker_id, job_id, 'x', p_reason from k where worker_id is not null
  on conflict do nothing returning job_id
), h as (insert into ${s}.done(job_id, epoch, attempt, lost, outcome) select job_id, epoch, attempt, lost, 'x' from g
), f as (
  insert into ${s}.failure(job_id, epoch, attempt, cause) select job_id, epoch + 1, 0, p_cause from g
), z as (delete from ${s}.uniq u using g where u.job_id = g.job_id and u.release <> 'n')
select v.id, case max(v.fate)
    when 4 then 'cancelled'
    when 3 then 'requested'
    when 2 then 'already'
    when 0 then 'unknown'
    else coalesce((select 'ended' from ${s}.done d where d.job_id = v.id limit 1), 'missed') end,
  max(v.worker_id), '{}'::int[]
from (
  select unnest(p_job), 0, null::int
  union all select id, 1, null from b
  union all select job_id, 2, worker_id from k where worker_id is not null
  union all select job_id, 3, null from m
  union all select job_id, 4, null from g
) as v(id, fate, worker_id) group by v.id;
gone := array(select d.job_id from ${s}.done d where d.job_id = any(p_job) and d.outcome = 'x' and d.finished_at = now());
if cardinality(gone) > 0 then
  if ${s}.settle(gone) then awake := '{0}'; end if;
  if p_release then awake := awake || ${s}.release(gone); end if;
end if;
return query select null::bigint, null::text, null::int, awake;
end $$`
]

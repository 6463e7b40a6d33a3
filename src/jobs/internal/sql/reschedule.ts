/**
 * reschedule: another due time for jobs that do not run; p_run_at goes before p_delay_ms. Answers those that took it,
 * those whose permits are to go on, and the queues to wake. A job that was let in by a limit gives its place back, unless it keeps it between its attempts. An available job that is due now already
 * stays where it is.
 */
import { byKey } from "./settings.ts"

export const reschedule = (s: string): ReadonlyArray<string> => [
  `create function ${s}.reschedule(p_job bigint[], p_run_at timestamptz, p_delay_ms bigint, p_release boolean,
  out taken bigint[], out freed bigint[], out woken int[]) language plpgsql ${byKey} as $$
#variable_conflict use_column
declare
  due timestamptz := coalesce(p_run_at, now() + p_delay_ms * interval '1 millisecond');
  changed bigint[]; moved bigint[]; stayed bigint[]; left_place bigint[];
begin
woken := '{}';
with lk as materialized (
  select l.ctid as tid from ${s}.later l where l.job_id = any(p_job) order by l.job_id for update
), u as (
  update ${s}.later l set run_at = due, limit_id = case when l.limit_id = 0 and not b.strict then b.limit_id else l.limit_id end,
    state = case when l.state in ('p', 's', 'a') then 's' else l.state end, note = case when l.state = 'h' then l.note end
  from (select j.id, j.limit_id, j.strict from ${s}.job j where j.id = any(p_job)) b
  where l.ctid = any(array(select tid from lk)) and b.id = l.job_id
  returning l.job_id, l.limit_id
)
select array(select job_id from u), array(select job_id from u where limit_id is distinct from 0) into changed, freed;
with b as materialized (
  select j.id, j.queue_id, j.priority, j.ord, j.limit_id, j.limit_key, j.strict from ${s}.job j where j.id = any(p_job)
), k as materialized (
  select r.ctid as tid, r.job_id, b.limit_id, b.limit_key, b.strict and r.attempt > 0 as keeps from b join ${s}.ready r
    on r.queue_id = b.queue_id and r.priority = b.priority and r.ord = b.ord and r.job_id = b.id
  where r.worker_id is null
  order by r.queue_id, r.priority, r.ord, r.job_id for update of r
), x as (
  delete from ${s}.ready r where due > now() and r.ctid = any(array(select tid from k)) and r.worker_id is null returning r.*
), l as (
  insert into ${s}.later(run_at, job_id, ord, queue_id, epoch, limit_id, limit_key, priority, attempt, lost, state)
  select due, x.job_id, x.ord, x.queue_id, x.epoch, case when k.keeps then 0 else k.limit_id end, k.limit_key, x.priority, x.attempt, x.lost, 's'
  from x join k on k.job_id = x.job_id
)
select array(select job_id from x), array(select x.job_id from x join k on k.job_id = x.job_id where not k.keeps),
  array(select job_id from k where due <= now()) into moved, left_place, stayed;
taken := changed || moved || stayed;
freed := freed || left_place;
if p_release then woken := ${s}.release(freed); end if;
end $$`
]

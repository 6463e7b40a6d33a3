/**
 * supersede: takes back the jobs that hold these keys and do not run yet, and answers which. Their keys are free for whoever enqueues next in this transaction; others wait for its end.
 */
import { byKey } from "./settings.ts"

export const supersede = (s: string): ReadonlyArray<string> => [
  `create function ${s}.supersede(p_key bytea[], p_cause jsonb, out taken bigint[], out keys bytea[])
language plpgsql ${byKey} as $$
#variable_conflict use_column
begin
with u as materialized (
  select u.key, u.job_id from ${s}.uniq u where u.key = any(p_key) order by u.key for update
), b as materialized (
  select u.key, j.id, j.queue_id, j.priority, j.ord from u join ${s}.job j on j.id = u.job_id
), lk as materialized (
  select l.ctid as tid from ${s}.later l where l.job_id = any(array(select id from b)) order by l.job_id for update
), dl as (
  delete from ${s}.later l where l.ctid = any(array(select tid from lk)) returning l.job_id, l.epoch, l.attempt, l.lost
), k as materialized (
  select r.ctid as tid from b join ${s}.ready r
    on r.queue_id = b.queue_id and r.priority = b.priority and r.ord = b.ord and r.job_id = b.id
  where r.worker_id is null
  order by r.queue_id, r.priority, r.ord, r.job_id for update of r
), dr as (
  delete from ${s}.ready r where r.ctid = any(array(select tid from k)) and r.worker_id is null
  returning r.job_id, r.epoch, r.attempt, r.lost
), g as materialized (select * from dl union all select * from dr
), h as (insert into ${s}.done(job_id, epoch, attempt, lost, outcome) select job_id, epoch, attempt, lost, 'x' from g
), f as (
  insert into ${s}.failure(job_id, epoch, attempt, cause) select job_id, epoch + 1, 0, p_cause from g
), z as (delete from ${s}.uniq x using g where x.job_id = g.job_id)
select array_agg(b.id order by b.id), array_agg(b.key order by b.id) from b join g on g.job_id = b.id into taken, keys;
end $$`
]

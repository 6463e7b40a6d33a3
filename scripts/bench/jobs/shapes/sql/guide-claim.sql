with w as materialized (select id from worker where id = $3 and expires_at > now() for key share
), l as materialized (
  select ctid, since from ready
  where (select count(*) from w) = 1 and (select paused_at is null from queue where id = $1)
    and queue_id = $1 and worker_id is null and (priority, ord, job_id) > ($4, $5, $6)
  order by priority, ord, job_id limit $2 for update skip locked
), u as (
  update ready r set worker_id = $3, epoch = r.epoch + 1, attempt = r.attempt + 1, since = now() from l where r.ctid = l.ctid
  returning r.priority, r.ord, r.job_id, r.epoch, r.attempt, l.since as available_at, r.since as started_at)
select u.*, b.task_id, b.max_attempts, b.args, b.meta, b.created_at, b.limit_id, b.limit_key,
  (b.ukey is not null)::int + b.children::int * 2 + (b.limit_id is not null)::int * 4 as flags
from u cross join lateral (select * from job j where j.id = u.job_id limit 1) b

-- claim: up to p_limit jobs of one queue for one living worker, in order of (priority, ord, job_id) after the cursor hint.
-- The rows are found by one ordered index scan, updated through an array of ctids (HOT: nothing claimed is indexed), and their bodies
-- read by one array scan of the day's key instead of one lookup per job; an array prunes no partitions, its bounds do. Both sides of
-- the join are rows of this batch, so the settings leave one plan: no table's statistics can change it.
-- `w` shuts the door on a worker that was declared dead; its key-share lock makes rescue wait until this claim has committed.
create function claim(p_queue int, p_limit int, p_worker int, p_priority smallint, p_ord bigint, p_job bigint)
returns table (priority smallint, ord bigint, job_id bigint, epoch int, attempt smallint, available_at timestamptz, started_at timestamptz,
  task_id int, max_attempts smallint, args jsonb, meta jsonb, created_at timestamptz, limit_id int, limit_key text, flags int)
language plpgsql
  set enable_seqscan = off set enable_bitmapscan = off set enable_nestloop = off set enable_mergejoin = off
  set jit = off set plan_cache_mode = force_generic_plan as $$
#variable_conflict use_column
begin return query
with w as materialized (select id from worker where id = $3 and expires_at > now() for key share
), u as materialized (
  update ready r set worker_id = $3, epoch = r.epoch + 1, attempt = r.attempt + 1, claimed_at = now()
  where r.worker_id is null and r.ctid = any(array(
    select ctid from ready
    where (select count(*) from w) = 1 and (select paused_at is null from queue where id = $1)
      and queue_id = $1 and worker_id is null and (priority, ord, job_id) > ($4, $5, $6)
    order by priority, ord, job_id limit $2 for update skip locked))
  returning r.priority, r.ord, r.job_id, r.epoch, r.attempt, r.available_at, r.claimed_at)
select u.*, b.task_id, b.max_attempts, b.args, b.meta, b.created_at, b.limit_id, b.limit_key,
  (b.ukey is not null)::int + b.children::int * 2 + (b.limit_id is not null)::int * 4 as flags
from u join job b on b.id = u.job_id
where b.id = any(array(select job_id from u)) and b.id >= (select min(job_id) from u) and b.id <= (select max(job_id) from u)
order by u.priority, u.ord, u.job_id;
end $$;

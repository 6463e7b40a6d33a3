-- complete: the short way to the commonest end. Jobs that completed without an output, of one queue, priority and epoch, in a FIFO
-- queue (ord = job_id), with no unique key, dependants or limit (flags 0). Everything else goes through finish.
-- One array scan of the hot table's only index deletes the rows that this worker still holds at this epoch and writes their outcomes.
-- The bounds matter on servers before 17, which may take the array as a filter: then they are all that is scanned.
-- Answers the ids that were fenced: usually none.
create function complete(p_worker int, p_queue int, p_priority smallint, p_epoch int, p_job bigint[], p_history boolean)
returns bigint[] language plpgsql
  set enable_seqscan = off set enable_bitmapscan = off set enable_nestloop = off set enable_mergejoin = off
  set jit = off set plan_cache_mode = force_generic_plan as $$
#variable_conflict use_column
declare
  ended bigint[];
  low bigint := (select min(x) from unnest(p_job) x);
  high bigint := (select max(x) from unnest(p_job) x);
begin
with d as (
  delete from ready r
  where r.queue_id = p_queue and r.priority = p_priority and r.ord = any(p_job) and r.ord >= low and r.ord <= high
    and r.job_id = r.ord and r.worker_id = p_worker and r.epoch = p_epoch
  returning r.job_id, r.available_at, r.claimed_at, r.attempt
), h as (
  insert into done(job_id, available_at, claimed_at, worker_id, epoch, attempt, outcome)
  select job_id, available_at, claimed_at, p_worker, p_epoch, attempt, 'c' from d where p_history
)
select array_agg(job_id) into ended from d;
if cardinality(ended) = cardinality(p_job) then return '{}'; end if;
return array(select unnest(p_job) except select unnest(ended));
end $$;

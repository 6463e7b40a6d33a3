-- finish: every outcome of a batch of one queue and priority, any mix of epochs, fenced by worker and epoch.
-- outcome: c completed, f discarded, x cancelled, r retry, s snooze. flags: 1 keyed, 2 children, 4 limited, 8 keep no history.
-- `k` finds the rows by one array scan of the key and pairs them with the input by hash; the delete goes through their ctids and looks
-- again at the worker, so a row that changed since the snapshot is left alone. Answers the ids that ended; a missing one was fenced.
create function finish(p_worker int, p_queue int, p_priority smallint, p_ord bigint[], p_job bigint[], p_epoch int[], p_outcome "char"[],
  p_delay_ms bigint[], p_output jsonb[], p_cause jsonb[], p_flags smallint[])
returns table (job_id bigint) language plpgsql
  set enable_seqscan = off set enable_bitmapscan = off set enable_nestloop = off set enable_mergejoin = off
  set jit = off set plan_cache_mode = force_generic_plan as $$
#variable_conflict use_column
begin return query
with i as materialized (
  select * from unnest(p_job, p_epoch, p_outcome, p_delay_ms, p_output, p_cause, p_flags)
  as t(job_id, epoch, outcome, delay_ms, output, cause, flags)
), k as materialized (
  select r.ctid as tid, r.*, i.outcome, i.delay_ms, i.output, i.cause, i.flags
  from ready r join i on i.job_id = r.job_id and i.epoch = r.epoch
  where r.queue_id = p_queue and r.priority = p_priority and r.ord = any(p_ord)
    and r.ord >= (select min(x) from unnest(p_ord) x) and r.ord <= (select max(x) from unnest(p_ord) x) and r.worker_id = p_worker
), x as (
  delete from ready r where r.ctid = any(array(select tid from k)) and r.worker_id = p_worker returning r.job_id
), d as materialized (select k.* from k join x on x.job_id = k.job_id
), h as (
  insert into done(job_id, available_at, claimed_at, worker_id, epoch, attempt, outcome, output)
  select job_id, available_at, claimed_at, worker_id, epoch, attempt, outcome, output from d
  where outcome in ('c', 'f', 'x') and not (outcome = 'c' and flags & 10 = 8)
), f as (insert into failure(job_id, epoch, attempt, cause) select job_id, epoch, attempt, cause from d where cause is not null
), l as (
  insert into later(run_at, job_id, ord, queue_id, epoch, limit_id, priority, attempt, lost, state, limit_key)
  select now() + coalesce(d.delay_ms, 0) * interval '1 millisecond', d.job_id, d.ord, d.queue_id, d.epoch, b.limit_id, d.priority,
    d.attempt - (d.outcome = 's')::int, d.lost, d.outcome, b.limit_key
  from d left join lateral (select limit_id, limit_key from job where id = d.job_id and d.flags & 4 = 4 limit 1) b on true
  where d.outcome in ('r', 's')
), z as (
  delete from uniq u where u.release <> 'n'
    and u.job_id = any(array(select job_id from d where flags & 1 = 1 and outcome not in ('r', 's'))))
select job_id from d;
end $$;

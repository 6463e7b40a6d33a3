with x as materialized (select * from batch($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16)
), b as (
  insert into job(id, ord, queue_id, task_id, limit_id, priority, max_attempts, children, limit_key, ukey, args, meta)
  select id, ord, queue_id, task_id, limit_id, priority, max_attempts, children, limit_key, ukey, args, meta from x
), r as (
  insert into ready(queue_id, priority, ord, job_id)
  select queue_id, priority, ord, id from x where waits = 0 and limit_id is null and run_at <= now()
), l as (
  insert into later(run_at, job_id, ord, queue_id, epoch, limit_id, waits, priority, attempt, lost, state, limit_key)
  select run_at, id, ord, queue_id, 0, limit_id, waits, priority, 0, 0,
    case when waits > 0 then 'w' when run_at > now() then 's' else 'p' end::"char", limit_key
  from x where waits > 0 or limit_id is not null or run_at > now())
select n, id, false as duplicate from x order by n

with i as materialized (
  select * from unnest($2::int[], $3::smallint[], $4::bigint[], $5::bigint[], $6::int[], $7::"char"[], $8::bigint[], $9::timestamptz[],
    $10::jsonb[], $11::jsonb[], $12::smallint[])
  as t(queue_id, priority, ord, job_id, epoch, outcome, delay_ms, available_at, output, cause, flags)
), k as materialized (
  select i.*, x.tid from i cross join lateral (
    select x.ctid as tid from ready x
    where x.queue_id = i.queue_id and x.priority = i.priority and x.ord = i.ord and x.job_id = i.job_id
      and x.worker_id = $1 and x.epoch = i.epoch offset 0) x
), d as (
  delete from ready r using k where r.ctid = k.tid and r.worker_id = $1 and r.epoch = k.epoch
  returning r.*, k.outcome, k.delay_ms, k.available_at, k.output, k.cause, k.flags
), h as (
  insert into done(job_id, available_at, claimed_at, worker_id, epoch, attempt, outcome, output)
  select job_id, available_at, since, worker_id, epoch, attempt, outcome, output from d
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
select job_id from d

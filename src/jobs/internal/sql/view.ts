/**
 * The view `jobs`: one row per job with its state, and why it does not run. By id it is a handful of index reads. To list a
 * state start from its small table and join this; a filter on the state alone reads every body.
 */
export const view = (s: string): ReadonlyArray<string> => [
  `create view ${s}.jobs as
select b.id, q.name as queue, t.name as task,
  case when r.job_id is not null then case when r.worker_id is null then 'available' else 'running' end
    when l.job_id is not null then case
      when l.state = 'r' then 'retryable' when l.state = 'w' then 'pending'
      when l.state in ('p', 'h', 'a') then 'available' else 'scheduled' end
    else case d.outcome when 'x' then 'cancelled' when 'f' then 'discarded' else 'completed' end end as state,
  case when r.worker_id is not null and c.job_id is not null then 'cancellation is requested, runs on ' || coalesce(w.node, n.name, '?')
    when r.worker_id is not null and w.id is null then 'its worker is gone, waits for rescue'
    when r.worker_id is not null and w.expires_at < now() then 'its worker missed its heartbeats, waits for rescue'
    when r.worker_id is not null then 'runs on ' || w.node
    when r.job_id is not null and q.paused_at is not null then 'the queue is paused'
    when r.job_id is not null then 'waits for a free worker'
    when l.state = 'w' then 'waits for ' || l.waits || case l.waits when 1 then ' job' else ' jobs' end
    when l.state = 'p' then 'waits for the limit ' || coalesce(li.name, '?') || case l.limit_key when '' then '' else ', key ' || l.limit_key end
    when l.state = 'h' then 'is held by ' || l.note
    when l.state = 'a' and l.run_at > now() then 'the rate of its limit lets it start at ' || ${iso("l.run_at")}
    when l.job_id is not null and l.run_at > now() then 'is due at ' || ${
    iso("l.run_at")
  } || coalesce(': ' || l.note, '')
    when l.job_id is not null then 'is due, waits for promotion' end as reason,
  case when q.ageing_ms is not null then coalesce((b.meta ->> 'priority')::int, 0) else b.priority end as priority,
  coalesce(r.attempt, l.attempt, d.attempt, 1) as attempt, b.max_attempts,
  coalesce(r.lost, l.lost, d.lost, 0) as lost, coalesce(r.epoch, l.epoch, d.epoch, 1) as epoch,
  coalesce(r.worker_id, d.worker_id) as worker_id, coalesce(w.node, n.name) as node, b.tenant,
  b.args as payload, b.meta, b.created_at, l.run_at,
  coalesce(r.available_at, d.available_at) as available_at,
  case when r.worker_id is not null then r.claimed_at else d.claimed_at end as started_at, d.finished_at,
  p.value as progress, d.output, d.report,
  (select f.cause from ${s}.failure f where f.job_id = b.id order by f.epoch desc limit 1) as failure
from ${s}.job b
join ${s}.queue q on q.id = b.queue_id
join ${s}.task t on t.id = b.task_id
left join ${s}.ready r on r.queue_id = b.queue_id and r.priority = b.priority and r.ord = b.ord and r.job_id = b.id
left join ${s}.later l on l.job_id = b.id
left join ${s}.limits li on li.id = l.limit_id
left join ${s}.done d on d.job_id = b.id
left join ${s}.worker w on w.id = r.worker_id
left join ${s}.node n on n.worker_id = coalesce(r.worker_id, d.worker_id)
left join ${s}.control c on c.worker_id = r.worker_id and c.job_id = r.job_id
left join ${s}.progress p on p.job_id = b.id`
]

const iso = (column: string) => `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')`

/**
 * enqueue: any number of jobs without keys, ids, parents or limits of their own, in the caller's transaction. Queues that
 * give a job more than its place in line (fair, ageing, with a limit) take the longer way.
 *
 * A null array means the default for every job: priority 0, no delay. p_wait_ms bounds the wait for a lock, as only the
 * longer way may have to; null: as the connection has it. Answers the ids in the order of the call, keys to admit after the
 * commit, and how many milliseconds it takes until the first that is not due yet.
 */

export const enqueue = (s: string): ReadonlyArray<string> => [any(s), alike(s)]

const any = (s: string) =>
  `create function ${s}.enqueue(p_queue int[], p_task int[], p_args text[], p_meta text[], p_priority smallint[],
  p_max smallint[], p_delay_ms bigint[], p_run_at timestamptz[], p_tenant text[], p_wait_ms int,
  out ids bigint[], out duplicates boolean[], out parked int[], out parked_keys text[], out due_ms bigint)
language plpgsql set jit = off set plan_cache_mode = force_generic_plan as $$
begin
if exists (select from ${s}.queue q where q.id = any(p_queue)
    and (q.fair or q.ageing_ms is not null or q.limit_id is not null)) then
  select e.* into ids, duplicates, parked, parked_keys, due_ms
  from ${s}.enqueue_any(p_queue, p_task, p_args, p_meta, p_priority, p_max, p_delay_ms, p_run_at, p_tenant,
    null, null, null, null, null, null, null, null, null, null, null, null, null, p_wait_ms) e;
  return;
end if;
with x as materialized (
  select t.n, ${s}.new_id() as id, t.queue_id, t.task_id, t.args::jsonb as args, t.meta::jsonb as meta, t.tenant,
    coalesce(t.priority, 0::smallint) as priority, coalesce(t.max_attempts, 20::smallint) as max_attempts,
    coalesce(t.run_at, now() + t.delay_ms * interval '1 millisecond', now()) as run_at
  from unnest(p_queue, p_task, p_args, p_meta, p_priority, p_max, p_delay_ms, p_run_at, p_tenant)
    with ordinality as t(queue_id, task_id, args, meta, priority, max_attempts, delay_ms, run_at, tenant, n)
), b as (
  insert into ${s}.job(id, ord, queue_id, task_id, priority, max_attempts, tenant, args, meta)
  select id, id, queue_id, task_id, priority, max_attempts, tenant, args, meta from x
), r as (
  insert into ${s}.ready(queue_id, priority, ord, job_id) select queue_id, priority, id, id from x where run_at <= now()
), l as (
  insert into ${s}.later(run_at, job_id, ord, queue_id, epoch, priority, attempt, lost, state)
  select run_at, id, id, queue_id, 0, priority, 0, 0, 's' from x where run_at > now()
)
select array_agg(id order by n),
  ceil(extract(epoch from min(run_at) filter (where run_at > now()) - now()) * 1000)::bigint into ids, due_ms from x;
end $$`

/**
 * The same for jobs that are due at once and have all but payload and meta in common, as those of a bulk have. Each table is
 * filled from the arrays themselves, in the order of the ids.
 */
const alike = (s: string) =>
  `create function ${s}.enqueue_alike(p_queue int, p_task int, p_priority smallint, p_max smallint, p_tenant text,
  p_args text[], p_meta text[], p_wait_ms int,
  out ids bigint[], out duplicates boolean[], out parked int[], out parked_keys text[], out due_ms bigint)
language plpgsql set jit = off set plan_cache_mode = force_generic_plan as $$
begin
if exists (select from ${s}.queue q where q.id = p_queue
    and (q.fair or q.ageing_ms is not null or q.limit_id is not null)) then
  select e.* into ids, duplicates, parked, parked_keys, due_ms from ${s}.enqueue(
    array_fill(p_queue, array[cardinality(p_args)]), array_fill(p_task, array[cardinality(p_args)]), p_args, p_meta,
    array_fill(p_priority, array[cardinality(p_args)]), array_fill(p_max, array[cardinality(p_args)]), null, null,
    array_fill(p_tenant, array[cardinality(p_args)]), p_wait_ms) e;
  return;
end if;
ids := ${s}.new_ids(cardinality(p_args));
insert into ${s}.job(id, ord, queue_id, task_id, priority, max_attempts, tenant, args, meta)
select id, id, p_queue, p_task, p_priority, p_max, p_tenant, args::jsonb, meta::jsonb
from (select unnest(ids) as id, unnest(p_args) as args, unnest(p_meta) as meta) t;
insert into ${s}.ready(queue_id, priority, ord, job_id) select p_queue, p_priority, id, id from unnest(ids) id;
end $$`

/**
 * enqueue_keyed: jobs with unique keys and nothing else, whose duplicates are left out, in the caller's transaction. A null
 * key is none. The promises are those of `enqueue_any`, which takes what this cannot decide: queues that give a job more
 * than its place in line, and keys whose holder is gone again before it was seen, or whose period is over.
 */
import { byArray } from "./settings.ts"

/** Fewer jobs than these save less than the savepoint costs. */
const quickFrom = 16

export const enqueueKeyed = (s: string): ReadonlyArray<string> => [
  `create function ${s}.enqueue_keyed(p_queue int[], p_task int[], p_args text[], p_meta text[], p_priority smallint[],
  p_max smallint[], p_delay_ms bigint[], p_run_at timestamptz[], p_tenant text[], p_key bytea[], p_within_ms bigint[],
  p_release "char"[], p_wait_ms int,
  out ids bigint[], out duplicates boolean[], out parked int[], out parked_keys text[], out due_ms bigint)
language plpgsql ${byArray} as $$
#variable_conflict use_column
declare
  own bigint[]; taken bytea[]; winners bigint[]; at int; one record;
begin
if exists (select from ${s}.queue q where q.id = any(p_queue)
    and (q.fair or q.ageing_ms is not null or q.limit_id is not null)) then
  select e.* into ids, duplicates, parked, parked_keys, due_ms
  from ${s}.enqueue_any(p_queue, p_task, p_args, p_meta, p_priority, p_max, p_delay_ms, p_run_at, p_tenant,
    null, null, p_key, p_within_ms, p_release, null, null, null, null, null, null, null, null, p_wait_ms) e;
  return;
end if;
if p_wait_ms is not null then perform set_config('lock_timeout', p_wait_ms || 'ms', true); end if;
own := ${s}.new_ids(cardinality(p_queue));
-- keys that are all new, as those of a bulk mostly are, go in without a look before each; where that was wrong, nothing was done
if cardinality(own) >= ${quickFrom} and array_position(p_key, null) is null
    and not exists (select from ${s}.uniq where key = any(p_key)) then
  begin
    insert into ${s}.uniq(key, job_id, until, release)
    select ukey, id, coalesce(now() + within_ms * interval '1 millisecond', 'infinity'), coalesce(release, 'd')
    from (select unnest(own) as id, unnest(p_key) as ukey, unnest(p_within_ms) as within_ms, unnest(p_release) as release) k
    order by ukey;
    ids := own;
  exception when unique_violation then null;
  end;
end if;
if ids is null then
  with u as (
    insert into ${s}.uniq(key, job_id, until, release)
    select ukey, id, coalesce(now() + within_ms * interval '1 millisecond', 'infinity'), coalesce(release, 'd') from (
      select distinct on (t.ukey) t.* from unnest(own, p_key, p_within_ms, p_release) with ordinality
        as t(id, ukey, within_ms, release, n) where t.ukey is not null order by t.ukey, t.n) k
    on conflict (key) do nothing
    returning key, job_id
  )
  select array_agg(key), array_agg(job_id) into taken, winners from u;
  if cardinality(winners) = cardinality(own) then
    ids := own;
  else
    select array_agg(case when t.ukey is null then t.id else k.job_id end order by t.n),
      array_agg(t.ukey is not null and k.job_id is distinct from t.id order by t.n) into ids, duplicates
    from unnest(own, p_key) with ordinality as t(id, ukey, n) left join unnest(taken, winners) as k(key, job_id) on k.key = t.ukey;
  end if;
end if;
if duplicates is null then duplicates := array_fill(false, array[cardinality(own)]); end if;
insert into ${s}.job(id, ord, queue_id, task_id, priority, max_attempts, release, tenant, ukey, args, meta)
select id, id, queue_id, task_id, coalesce(priority, 0), coalesce(max_attempts, 20),
  case when ukey is not null then coalesce(release, 'd') end, tenant, ukey, args::jsonb, meta::jsonb
from (select unnest(own) as id, unnest(p_queue) as queue_id, unnest(p_task) as task_id, unnest(p_priority) as priority,
  unnest(p_max) as max_attempts, unnest(p_release) as release, unnest(p_tenant) as tenant, unnest(p_key) as ukey,
  unnest(p_args) as args, unnest(p_meta) as meta, unnest(duplicates) as is_old) t where not is_old;
if p_delay_ms is null and p_run_at is null then
  insert into ${s}.ready(queue_id, priority, ord, job_id)
  select queue_id, coalesce(priority, 0), id, id from (select unnest(own) as id, unnest(p_queue) as queue_id,
    unnest(p_priority) as priority, unnest(duplicates) as is_old) t where not is_old;
else
  with x as materialized (
    select t.*, coalesce(run_at, now() + delay_ms * interval '1 millisecond', now()) as due
    from unnest(own, p_queue, p_priority, p_delay_ms, p_run_at, duplicates)
      as t(id, queue_id, priority, delay_ms, run_at, is_old) where not is_old
  ), r as (
    insert into ${s}.ready(queue_id, priority, ord, job_id)
    select queue_id, coalesce(priority, 0), id, id from x where due <= now()
  ), l as (
    insert into ${s}.later(run_at, job_id, ord, queue_id, epoch, priority, attempt, lost, state)
    select due, id, id, queue_id, 0, coalesce(priority, 0), 0, 0, 's' from x where due > now()
  )
  select ceil(extract(epoch from min(due) filter (where due > now()) - now()) * 1000)::bigint into due_ms from x;
end if;
if array_position(ids, null) is null then return; end if;
-- holders that had committed before; one whose period is over makes way, below
select array_agg(coalesce(t.id, k.job_id) order by t.n) into ids
from unnest(ids) with ordinality as t(id, n)
left join (select key, job_id from ${s}.uniq where key = any(p_key) and until > now()) k on t.id is null and k.key = p_key[t.n];
for at in select t.n from unnest(ids) with ordinality as t(id, n) where t.id is null order by t.n loop
  select * into one from ${s}.enqueue_any(p_queue[at:at], p_task[at:at], p_args[at:at], p_meta[at:at], p_priority[at:at],
    p_max[at:at], p_delay_ms[at:at], p_run_at[at:at], p_tenant[at:at], null, null, p_key[at:at], p_within_ms[at:at],
    p_release[at:at], null, null, null, null, null, null, null, null, p_wait_ms);
  ids[at] := one.ids[1]; duplicates[at] := one.duplicates[1]; due_ms := least(due_ms, one.due_ms);
end loop;
end $$`
]

/**
 * enqueue_keyed: jobs with unique keys and nothing else, whose duplicates are left out, in the caller's transaction. A null
 * key is none. The promises are those of `enqueue_any`, which takes what this cannot decide: queues that give a job more
 * than its place in line, and keys whose holder is gone again before it was seen, or whose period is over.
 */
import { byArray } from "./settings.ts"

export const enqueueKeyed = (s: string): ReadonlyArray<string> => [
  `create function ${s}.enqueue_keyed(p_queue int[], p_task int[], p_args text[], p_meta text[], p_priority smallint[],
  p_max smallint[], p_delay_ms bigint[], p_run_at timestamptz[], p_tenant text[], p_key bytea[], p_within_ms bigint[],
  p_release "char"[], p_wait_ms int,
  out ids bigint[], out duplicates boolean[], out parked int[], out parked_keys text[], out due_ms bigint)
language plpgsql ${byArray} as $$
#variable_conflict use_column
declare at int; one record;
begin
if exists (select from ${s}.queue q where q.id = any(p_queue)
    and (q.fair or q.ageing_ms is not null or q.limit_id is not null)) then
  select e.* into ids, duplicates, parked, parked_keys, due_ms
  from ${s}.enqueue_any(p_queue, p_task, p_args, p_meta, p_priority, p_max, p_delay_ms, p_run_at, p_tenant,
    null, null, p_key, p_within_ms, p_release, null, null, null, null, null, null, null, p_wait_ms) e;
  return;
end if;
if p_wait_ms is not null then perform set_config('lock_timeout', p_wait_ms || 'ms', true); end if;
with x as materialized (
  select t.n, ${s}.new_id() as id, t.queue_id, t.task_id, t.args::jsonb as args, t.meta::jsonb as meta, t.tenant, t.ukey,
    coalesce(t.priority, 0::smallint) as priority, coalesce(t.max_attempts, 20::smallint) as max_attempts,
    coalesce(t.run_at, now() + t.delay_ms * interval '1 millisecond', now()) as run_at,
    coalesce(now() + t.within_ms * interval '1 millisecond', 'infinity') as until,
    case when t.ukey is not null then coalesce(t.release, 'd'::"char") end as release
  from unnest(p_queue, p_task, p_args, p_meta, p_priority, p_max, p_delay_ms, p_run_at, p_tenant, p_key, p_within_ms,
    p_release) with ordinality as t(queue_id, task_id, args, meta, priority, max_attempts, delay_ms, run_at, tenant, ukey,
    within_ms, release, n)
), u as materialized (
  insert into ${s}.uniq(key, job_id, until, release)
  select ukey, id, until, release from (
    select distinct on (ukey) ukey, id, until, release from x where ukey is not null order by ukey, n) k
  on conflict (key) do nothing
  returning key, job_id
), w as materialized (
  select x.*, u.job_id, x.ukey is null or u.job_id = x.id as is_new from x left join u on u.key = x.ukey
), b as (
  insert into ${s}.job(id, ord, queue_id, task_id, priority, max_attempts, release, tenant, ukey, args, meta)
  select id, id, queue_id, task_id, priority, max_attempts, release, tenant, ukey, args, meta from w where is_new
), r as (
  insert into ${s}.ready(queue_id, priority, ord, job_id)
  select queue_id, priority, id, id from w where is_new and run_at <= now()
), l as (
  insert into ${s}.later(run_at, job_id, ord, queue_id, epoch, priority, attempt, lost, state)
  select run_at, id, id, queue_id, 0, priority, 0, 0, 's' from w where is_new and run_at > now()
)
select array_agg(case when is_new then id else job_id end order by n), array_agg(not coalesce(is_new, false) order by n),
  ceil(extract(epoch from min(run_at) filter (where is_new and run_at > now()) - now()) * 1000)::bigint
into ids, duplicates, due_ms from w;
if array_position(ids, null) is null then return; end if;
-- holders that had committed before; one whose period is over makes way, below
select array_agg(coalesce(t.id, k.job_id) order by t.n) into ids
from unnest(ids) with ordinality as t(id, n)
left join (select key, job_id from ${s}.uniq where key = any(p_key) and until > now()) k on t.id is null and k.key = p_key[t.n];
for at in select t.n from unnest(ids) with ordinality as t(id, n) where t.id is null order by t.n loop
  select * into one from ${s}.enqueue_any(p_queue[at:at], p_task[at:at], p_args[at:at], p_meta[at:at], p_priority[at:at],
    p_max[at:at], p_delay_ms[at:at], p_run_at[at:at], p_tenant[at:at], null, null, p_key[at:at], p_within_ms[at:at],
    p_release[at:at], null, null, null, null, null, null, null, p_wait_ms);
  ids[at] := one.ids[1]; duplicates[at] := one.duplicates[1]; due_ms := least(due_ms, one.due_ms);
end loop;
end $$`
]

/**
 * enqueue_any: any number of jobs with whatever they may have, in the caller's transaction.
 *
 * Keys are taken in sorted order, so concurrent calls cannot deadlock, and without a lock on the holder's, so a
 * transaction that stays open holds up nobody's end. The loser of an uncommitted holder waits for its end: it wins when
 * that rolls back. Where the holder is gone again before it was seen, the next round decides. An id that is there already
 * makes a duplicate. Replacing and rescheduling concern a holder that does not run. p_wait_ms bounds the wait for a lock;
 * null: as the connection has it.
 *
 * A fair queue orders by virtual time, paid once per tenant, which locks the tenant until the transaction ends. A queue
 * with ageing_ms stores priority 0 and moves ord instead. p_deadline_ms counts from now. Answers as `enqueue`.
 */
import { byArray, byKey } from "./settings.ts"

export const enqueueAny = (s: string): ReadonlyArray<string> => [
  metaOf(s),
  replaceHolder(s),
  connectJobs(s),
  enqueueAll(s)
]

/** What is kept beside the payload: the deadline as an instant, and in a queue with ageing_ms the priority that was given. */
const metaOf = (s: string) =>
  `create function ${s}.meta_of(meta jsonb, deadline_ms bigint, ageing_ms bigint, priority smallint) returns jsonb
language sql stable as
$$ select case when deadline_ms is null and ageing_ms is null then meta else coalesce(meta, '{}')
  || case when deadline_ms is null then '{}'
    else jsonb_build_object('deadline', floor(extract(epoch from now()) * 1000)::bigint + deadline_ms) end
  || case when ageing_ms is null then '{}' else jsonb_build_object('priority', coalesce(priority, 0)) end end $$`

const enqueueAll = (s: string) =>
  `create function ${s}.enqueue_any(p_queue int[], p_task int[], p_args text[], p_meta text[], p_priority smallint[],
  p_max smallint[], p_delay_ms bigint[], p_run_at timestamptz[], p_tenant text[], p_cost real[], p_id bigint[],
  p_key bytea[], p_within_ms bigint[], p_release "char"[], p_conflict "char"[], p_limit int[], p_limit_key text[],
  p_strict boolean[], p_waits boolean[], p_children boolean[], p_deadline_ms bigint[], p_edges jsonb, p_wait_ms int,
  out ids bigint[], out duplicates boolean[], out parked int[], out parked_keys text[], out due_ms bigint)
language plpgsql ${byArray} as $$
#variable_conflict use_column
declare
  -- places that are not decided yet; null: all
  todo bigint[];
  ns bigint[]; got bigint[]; fresh boolean[]; i int; at int; fate text; moved boolean := false;
begin
if p_wait_ms is not null then perform set_config('lock_timeout', p_wait_ms || 'ms', true); end if;
ids := array_fill(null::bigint, array[cardinality(p_queue)]);
duplicates := array_fill(false, array[cardinality(p_queue)]);
for round in 1..10 loop
  if p_key is not null then
    delete from ${s}.uniq u where u.key = any(array(
      select k.key from ${s}.uniq k where k.key = any(p_key) and k.until <= now() order by k.key for update skip locked));
  end if;
  with t as materialized (
    select t.*, ${s}.new_id() as fresh_id
    from unnest(p_queue, p_task, p_args, p_meta, p_priority, p_max, p_delay_ms, p_run_at, p_tenant, p_cost, p_id, p_key,
      p_within_ms, p_release, p_limit, p_limit_key, p_strict, p_waits, p_children, p_deadline_ms) with ordinality
      as t(queue_id, task_id, args, meta, priority, max_attempts, delay_ms, run_at, tenant, cost, given, ukey,
      within_ms, release, limit_id, limit_key, strict, waits, children, deadline_ms, n)
    where todo is null or t.n = any(todo)
  ), known as materialized (select j.id from ${s}.job j where j.id = any(p_id)
  ), x as materialized (
    select t.n, coalesce(t.given, t.fresh_id) as id, t.given is not null as is_given, t.ukey,
      row_number() over (partition by coalesce(t.given, t.fresh_id) order by t.n) as copy,
      t.queue_id, t.task_id, t.args::jsonb as args, t.tenant, q.fair, coalesce(t.cost, 1) as cost,
      ${s}.meta_of(t.meta::jsonb, t.deadline_ms, q.ageing_ms, t.priority) as meta,
      case when q.ageing_ms is null then coalesce(t.priority, 0::smallint) else 0::smallint end as priority,
      case when q.ageing_ms is null then t.fresh_id else greatest(0, t.fresh_id
        + (greatest(-${ageingBound}, least(${ageingBound}, coalesce(t.priority, 0)::numeric * q.ageing_ms))::bigint << 20)) end as ord,
      coalesce(t.max_attempts, 20::smallint) as max_attempts,
      coalesce(t.run_at, now() + t.delay_ms * interval '1 millisecond', now()) as run_at,
      now() + t.within_ms * interval '1 millisecond' as until, coalesce(t.release, 'd'::"char") as release,
      t.limit_id as own_limit, coalesce(t.limit_id, q.limit_id) as limit_id,
      case when t.limit_id is not null then coalesce(t.limit_key, '') when q.limit_id is not null then '' end as limit_key,
      coalesce(t.strict, false) as strict, coalesce(t.waits, false) as waits, coalesce(t.children, false) as children
    from t left join ${s}.queue q on q.id = t.queue_id
  ), z as materialized (
    select * from x where copy = 1 and not (is_given and id in (select id from known))
  ), u as (
    insert into ${s}.uniq(key, job_id, until, release)
    select distinct on (ukey) ukey, id, coalesce(until, 'infinity'), release from z where ukey is not null order by ukey, n
    on conflict (key) do nothing
    returning key, job_id
  ), ok as materialized (
    select z.* from z left join u on u.key = z.ukey where z.ukey is null or u.job_id = z.id
  ), fi as materialized (
    select ok.n, ok.queue_id, coalesce(ok.tenant, '') as tenant,
      greatest(1, ok.cost * 1000 / coalesce(f.weight, 1))::bigint as cost, coalesce(c.vt, 0) as clock
    from ok left join ${s}.fair_tenant f on f.queue_id = ok.queue_id and f.tenant = coalesce(ok.tenant, '')
    left join ${s}.fair_clock c on c.queue_id = ok.queue_id
    where ok.fair
  ), fk as materialized (select queue_id, tenant, clock, sum(cost)::bigint as total from fi group by queue_id, tenant, clock
  ), fu as (
    insert into ${s}.fair_tenant as f (queue_id, tenant, vt)
    select queue_id, tenant, clock + total from fk order by queue_id, tenant
    on conflict (queue_id, tenant) do update set vt = greatest(f.vt,
        coalesce((select c.vt from ${s}.fair_clock c where c.queue_id = f.queue_id), 0)) + excluded.vt
      - coalesce((select c.vt from ${s}.fair_clock c where c.queue_id = f.queue_id), 0)
    returning f.queue_id, f.tenant, f.vt
  ), fo as (
    select fi.n, (fu.vt - fk.total
      + sum(fi.cost) over (partition by fi.queue_id, fi.tenant order by fi.n) - fi.cost)::bigint as ord
    from fi join fk on fk.queue_id = fi.queue_id and fk.tenant = fi.tenant
    join fu on fu.queue_id = fi.queue_id and fu.tenant = fi.tenant
  ), w as materialized (select ok.*, coalesce(fo.ord, ok.ord) as place from ok left join fo on fo.n = ok.n
  ), b as (
    insert into ${s}.job(id, ord, queue_id, task_id, limit_id, priority, max_attempts, children, strict, release, limit_key,
      tenant, ukey, args, meta)
    select id, place, queue_id, task_id, own_limit, priority, max_attempts, children, strict and own_limit is not null,
      case when ukey is not null then release end, case when own_limit is not null then limit_key end,
      tenant, ukey, args, meta from w
    on conflict (id) do nothing returning id
  ), m as materialized (select w.* from w where w.id in (select id from b)
  ), r as (
    insert into ${s}.ready(queue_id, priority, ord, job_id)
    select queue_id, priority, place, id from m where not waits and limit_id is null and run_at <= now()
  ), l as (
    insert into ${s}.later(run_at, job_id, ord, queue_id, epoch, limit_id, limit_key, priority, attempt, lost, state)
    select run_at, id, place, queue_id, 0, limit_id, limit_key, priority, 0, 0,
      case when waits then 'w' when run_at > now() then 's' else 'p' end::"char"
    from m where waits or limit_id is not null or run_at > now()
  )
  select array_agg(x.n), array_agg(case when m.id is not null then m.id when x.copy > 1 then x.id
      when x.is_given and (x.ukey is null or x.id in (select id from known)) then x.id else u.job_id end), array_agg(m.id is not null),
    coalesce(parked, '{}') || array_agg(m.limit_id) filter (where m.limit_id is not null and not m.waits and m.run_at <= now()),
    coalesce(parked_keys, '{}') || array_agg(m.limit_key) filter (where m.limit_id is not null and not m.waits and m.run_at <= now()),
    least(due_ms, ceil(extract(epoch from min(m.run_at) filter (where m.run_at > now() and not m.waits) - now()) * 1000)::bigint)
  into ns, got, fresh, parked, parked_keys, due_ms
  from x left join m on m.n = x.n left join u on u.key = x.ukey;
  todo := '{}';
  for i in 1..coalesce(cardinality(ns), 0) loop
    at := ns[i]; ids[at] := got[i]; duplicates[at] := not fresh[i];
  end loop;
  -- of one key in the order of the call, so that the last of several that replace one another stays
  for at in select n from unnest(ns, fresh) as t(n, is_new) where not is_new order by p_key[n], n loop
    -- an id that was there is left as it is
    continue when p_id is not null and p_id[at] = ids[at];
    if ids[at] is null then
      ids[at] := (select u.job_id from ${s}.uniq u where u.key = p_key[at]);
    end if;
    if ids[at] is null then
      todo := todo || at::bigint;
    elsif p_conflict is not null and p_conflict[at] in ('r', 'm') then
      fate := ${s}.replace_holder(ids[at], p_key[at], p_conflict[at], p_args[at], p_meta[at], p_priority[at], p_max[at],
        p_delay_ms[at], p_run_at[at], p_deadline_ms[at]);
      if fate = 'gone' then todo := todo || at::bigint; ids[at] := null;
      else due_ms := least(due_ms, coalesce(p_delay_ms[at], 0)); moved := true; end if;
    end if;
  end loop;
  exit when cardinality(todo) = 0;
end loop;
if cardinality(todo) > 0 then
  raise exception 'the holder of a unique key changed ten times while it was asked for' using errcode = '40001';
end if;
if p_edges is not null and ${s}.connect_jobs(p_edges, ids, duplicates) then due_ms := 0; moved := true; end if;
if moved then
  -- jobs of the call whose parents had ended already, or that another of the call replaced: they stand in line for their
  -- limits with the rest of it
  with p as (
    update ${s}.later l set state = 'p'
    where l.job_id = any(array(select id from unnest(ids, duplicates) as t(id, is_old) where not is_old))
      and l.state = 's' and l.limit_id is not null and l.run_at <= now()
    returning l.limit_id, l.limit_key
  )
  select parked || array_agg(limit_id), parked_keys || array_agg(limit_key) from p into parked, parked_keys;
end if;
end $$`

// 2^41 ms, so that the shifted product stays within 63 bits
const ageingBound = "2199023255552"

/**
 * What a new job does to the one that holds its key: r replaces payload, priority and due time, m moves the due time.
 * A holder that runs or has ended is left alone. Answers done, left, or gone where the key is no longer that job's.
 */
const replaceHolder = (s: string) =>
  `create function ${s}.replace_holder(p_job bigint, p_key bytea, p_mode "char", p_args text, p_meta text, p_priority smallint,
  p_max smallint, p_delay_ms bigint, p_run_at timestamptz, p_deadline_ms bigint) returns text language plpgsql ${byKey} as $$
#variable_conflict use_column
declare j record; w record; due timestamptz := coalesce(p_run_at, now() + p_delay_ms * interval '1 millisecond', now());
begin
select b.*, q.ageing_ms, q.fair into j from ${s}.job b join ${s}.queue q on q.id = b.queue_id where b.id = p_job;
if not found then
  return case when exists (select from ${s}.uniq u where u.key = p_key and u.job_id = p_job) then 'left' else 'gone' end;
end if;
delete from ${s}.later l where l.job_id = p_job
returning l.ord, l.queue_id, l.epoch, l.limit_id, l.limit_key, l.waits, l.priority, l.attempt, l.lost, l.state, l.note into w;
if not found then
  delete from ${s}.ready r where r.queue_id = j.queue_id and r.priority = j.priority and r.ord = j.ord and r.job_id = p_job
    and r.worker_id is null
  returning r.ord, r.queue_id, r.epoch, j.limit_id, j.limit_key, 0 as waits, r.priority, r.attempt, r.lost, 's'::"char" as state,
    null::text as note into w;
  if not found then
    return case when exists (select from ${s}.uniq u where u.key = p_key and u.job_id = p_job) then 'left' else 'gone' end;
  end if;
end if;
-- a place that a limit gave is given back: the sweep lets the next in
delete from ${s}.permit p where p.job_id = p_job;
if p_mode = 'r' then
  w.priority := case when j.ageing_ms is null then coalesce(p_priority, 0::smallint) else 0::smallint end;
  if j.ageing_ms is not null then
    w.ord := greatest(0, (p_job & ~1048575::bigint)
      + (greatest(-${ageingBound}, least(${ageingBound}, coalesce(p_priority, 0)::numeric * j.ageing_ms))::bigint << 20)
      + (j.ord & 1048575));
  end if;
  update ${s}.job b set args = p_args::jsonb, priority = w.priority, ord = w.ord, max_attempts = coalesce(p_max, 20::smallint),
    meta = ${s}.meta_of(p_meta::jsonb, p_deadline_ms, j.ageing_ms, p_priority)
  where b.id = p_job;
end if;
insert into ${s}.later(run_at, job_id, ord, queue_id, epoch, limit_id, limit_key, waits, priority, attempt, lost, state, note)
values (due, p_job, w.ord, w.queue_id, w.epoch, case when w.limit_id = 0 then j.limit_id else w.limit_id end, w.limit_key,
  w.waits, w.priority, w.attempt, w.lost, case when w.state in ('w', 'h', 'r') then w.state else 's' end, w.note);
return 'done';
end $$`

/**
 * Edges between the jobs of a call and to jobs that were there before: elements [child, place of the parent or null, id
 * of the parent or null, c | f | a]. Duplicates get none. A parent that has ended already is settled at once.
 */
const connectJobs = (s: string) =>
  `create function ${s}.connect_jobs(p_edges jsonb, p_ids bigint[], p_duplicates boolean[]) returns boolean
language plpgsql ${byKey} as $$
#variable_conflict use_column
declare old bigint[]; children bigint[];
begin
with e as materialized (
  select coalesce(p_ids[(x ->> 1)::int], (x ->> 2)::bigint) as parent, p_ids[(x ->> 0)::int] as child,
    (x ->> 3)::"char" as fires_on, (x ->> 1) is null or p_duplicates[(x ->> 1)::int] as is_old
  from jsonb_array_elements(p_edges) x where not p_duplicates[(x ->> 0)::int]
), i as (
  insert into ${s}.edge(parent_id, child_id, fires_on) select parent, child, fires_on from e order by 1, 2
  on conflict do nothing
)
select array(select distinct parent from e where is_old order by 1), array(select distinct child from e) into old, children;
-- one that nobody knows has not completed; a younger one may be on its way
insert into ${s}.done(job_id, epoch, attempt, outcome)
select o, 0, 0, 'x' from unnest(old) o
where o < ${s}.id_floor(now() - interval '1 hour') and not exists (select from ${s}.job j where j.id = o)
on conflict do nothing;
insert into ${s}.awaited(job_id) select unnest(old) on conflict do nothing;
update ${s}.later l set waits = k.n
from (select child_id, count(*)::int as n from ${s}.edge where child_id = any(children) group by child_id) k
where l.job_id = k.child_id;
return ${s}.settle(old);
end $$`

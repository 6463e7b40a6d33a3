/**
 * Statements of the sweep: what a crash or a race left between the tables is put right, and nothing else is touched.
 */
import { byKey } from "./settings.ts"

/**
 * Ended parents whose edges are open, and parents that completed without history; where a parent is unknown for an hour,
 * what waits for it is cancelled. Answers whether something may go on.
 */
const settleRest = (s: string) =>
  `create function ${s}.settle_rest(p_limit int) returns boolean language plpgsql ${byKey} as $$
declare ended bigint[]; vanished bigint[]; b record; alive boolean;
begin
  ended := array(
    select distinct e.parent_id from ${s}.edge e
    where not e.settled and exists (select from ${s}.done d where d.job_id = e.parent_id) limit p_limit);
  for b in
    select distinct e.parent_id as id, j.queue_id, j.priority, j.ord, min(e.child_id) as child
    from ${s}.edge e left join ${s}.job j on j.id = e.parent_id
    where not e.settled and not exists (select from ${s}.done d where d.job_id = e.parent_id)
      and not exists (select from ${s}.later l where l.job_id = e.parent_id)
      and (j.id is null or not exists (select from ${s}.ready r
        where r.queue_id = j.queue_id and r.priority = j.priority and r.ord = j.ord and r.job_id = j.id))
    group by 1, 2, 3, 4 limit p_limit
  loop
    -- looked at once more: it may have moved between the tables within one look
    select exists (select from ${s}.later l where l.job_id = b.id) or exists (select from ${s}.ready r
      where r.queue_id = b.queue_id and r.priority = b.priority and r.ord = b.ord and r.job_id = b.id)
      or exists (select from ${s}.done d where d.job_id = b.id) into alive;
    continue when alive or (b.ord is null and b.child > ${s}.id_floor(now() - interval '1 hour'));
    insert into ${s}.done(job_id, epoch, attempt, outcome)
    values (b.id, 0, 0, case when b.ord is null then 'x' else 'c' end) on conflict do nothing;
    vanished := vanished || b.id;
  end loop;
  return ${s}.settle(ended || vanished);
end $$`

/** Permits of jobs that neither run nor wait with one, jobs held by a hold that is gone, and awaited jobs that are not. */
const repair = (s: string) =>
  `create function ${s}.repair() returns int[] language plpgsql ${byKey} as $$
declare freed bigint[]; gone text[]; woken int[] := '{}';
begin
  if exists (select from ${s}.permit) then
    freed := array(
      select p.job_id from ${s}.permit p
      where not exists (select from ${s}.later l where l.job_id = p.job_id and l.limit_id = 0)
        and not exists (select from ${s}.job j join ${s}.ready r
          on r.queue_id = j.queue_id and r.priority = j.priority and r.ord = j.ord and r.job_id = j.id where j.id = p.job_id)
      limit 1000);
    -- looked at once more under the lock of its key, under which it would have been let in
    if cardinality(freed) > 0 then
      perform from ${s}.limit_key k where (k.limit_id, k.key) in (select p.limit_id, p.key from ${s}.permit p where p.job_id = any(freed))
      order by k.limit_id, k.key for update;
      freed := array(
        select p.job_id from ${s}.permit p where p.job_id = any(freed)
          and not exists (select from ${s}.later l where l.job_id = p.job_id and l.limit_id = 0)
          and not exists (select from ${s}.job j join ${s}.ready r
            on r.queue_id = j.queue_id and r.priority = j.priority and r.ord = j.ord and r.job_id = j.id where j.id = p.job_id));
      woken := ${s}.release(freed);
    end if;
  end if;
  if exists (select from ${s}.later l where l.state = 'h') then
    gone := array(select distinct l.note from ${s}.later l where l.state = 'h'
      and not exists (select from ${s}.holds o where o.name = l.note));
    update ${s}.later l set state = 's', note = null where l.ctid = any(array(
      select x.ctid from ${s}.later x where x.state = 'h' and x.note = any(gone) order by x.job_id limit 10000 for update skip locked));
    if found then woken := woken || 0; end if;
  end if;
  delete from ${s}.awaited a where not exists (select from ${s}.edge e where e.parent_id = a.job_id and not e.settled)
    and a.job_id < ${s}.id_floor(now() - interval '1 hour');
  return woken;
end $$`

/**
 * Keys of limits that say nothing any more: no permit is out, and the next start may be now, as if the row were not there.
 * Looks at p_most keys after the given one, and answers the last of them; null at the end.
 *
 * Permits are looked at by a statement of its own, once the rows are locked: it sees whoever was let in before. Who waits
 * for a row that is removed finds none, and makes it anew (`admit`).
 */
const forgetKeys = (s: string) =>
  `create function ${s}.forget_keys(p_limit int, p_key text, p_most int, out last_limit int, out last_key text)
language plpgsql ${byKey} as $$
#variable_conflict use_column
declare ls int[]; ks text[]; n int;
begin
select array_agg(x.limit_id order by x.limit_id, x.key), array_agg(x.key order by x.limit_id, x.key), count(*)::int into ls, ks, n
from (select k.limit_id, k.key from ${s}.limit_key k where (k.limit_id, k.key) > (p_limit, p_key)
  order by k.limit_id, k.key limit p_most) x;
if n = p_most then last_limit := ls[n]; last_key := ks[n]; end if;
select array_agg(x.limit_id), array_agg(x.key) into ls, ks from (
  select k.limit_id, k.key from unnest(ls, ks) as i(l, x) join ${s}.limit_key k on k.limit_id = i.l and k.key = i.x
  where k.tat <= clock_timestamp() order by k.limit_id, k.key for update of k skip locked) x;
delete from ${s}.limit_key k using unnest(ls, ks) as i(l, x)
where k.limit_id = i.l and k.key = i.x
  and not exists (select from ${s}.permit p where p.limit_id = k.limit_id and p.key = k.key);
end $$`

/**
 * Tenants of fair queues whose next job would start at the queue's own time all the same. Where nothing of a queue waits,
 * its time goes on to the end of all that was given out, so that nobody is owed a turn or owes one.
 */
const forgetTenants = (s: string) =>
  `create function ${s}.forget_tenants(p_most int) returns int language plpgsql as $$
declare n int;
begin
insert into ${s}.fair_clock as c (queue_id, vt)
select f.queue_id, max(f.vt) from ${s}.fair_tenant f
where f.queue_id <> all(array(select distinct l.queue_id from ${s}.later l))
  and not exists (select from ${s}.ready r where r.queue_id = f.queue_id and r.worker_id is null)
group by f.queue_id order by f.queue_id
on conflict (queue_id) do update set vt = excluded.vt where c.vt < excluded.vt;
delete from ${s}.fair_tenant f where f.ctid = any(array(
  select x.ctid from ${s}.fair_tenant x join ${s}.queue q on q.id = x.queue_id left join ${s}.fair_clock c on c.queue_id = x.queue_id
  where x.weight = 1 and (x.vt <= c.vt or not q.fair) order by x.queue_id, x.tenant limit p_most for update of x skip locked));
get diagnostics n = row_count;
return n;
end $$`

/**
 * What waits for nothing that there is goes on: for a limit that is not there, or for jobs none of which is open. Only rows
 * that somebody changed by hand are like that.
 */
const freeStrays = (s: string) =>
  `create function ${s}.free_strays(p_most int) returns int language plpgsql as $$
declare n int;
begin
update ${s}.later l set state = 's', waits = 0, limit_id = null, limit_key = null where l.ctid = any(array(
  select x.ctid from ${s}.later x
  where x.state = 'p' and not exists (select from ${s}.limits i where i.id = x.limit_id)
    or x.state = 'w' and not exists (select from ${s}.edge e where e.child_id = x.job_id and not e.settled)
  order by x.job_id limit p_most for update skip locked));
get diagnostics n = row_count;
return n;
end $$`

export const upkeep = (s: string): ReadonlyArray<string> => [
  settleRest(s),
  repair(s),
  forgetKeys(s),
  forgetTenants(s),
  freeStrays(s)
]

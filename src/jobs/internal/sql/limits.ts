/**
 * Limits: how many jobs of a key run at once, and when the next may start.
 *
 * A job with a limit is parked in `later` and let in by `admit`, so it never stands in the way of a claim. The row of a
 * key is locked first, always before permits and always in the order of (limit, key): releasing first and locking second
 * deadlocked two finishers. Each statement of these functions sees what had committed when the lock was granted, so
 * no free permit and no parked job is overlooked.
 */
import { byKey } from "./settings.ts"

/**
 * Lets parked jobs of one key in, up to its free permits and its rate, with exact starts. Those due now go to `ready`,
 * others wait there for their instant, let in. Answers the queues with something to claim, and 0 where something is
 * scheduled.
 */
const admit = (s: string) =>
  `create function ${s}.admit(p_limit int, p_key text, p_ahead interval default '1 second', p_max int default 100)
returns int[] language plpgsql ${byKey} as $$
declare lim ${s}.limits; base timestamptz; t timestamptz; room int := p_max; woken int[];
begin
  select * into lim from ${s}.limits where id = p_limit;
  if not found then return '{}'; end if;
  loop                                               -- until the row is there and locked: idle ones are removed
    insert into ${s}.limit_key(limit_id, key) values (p_limit, p_key) on conflict do nothing;
    select tat into base from ${s}.limit_key where limit_id = p_limit and key = p_key for update;
    exit when found;
  end loop;
  t := clock_timestamp(); base := greatest(base, t);
  if lim.every is null and base > t then return '{}'; end if;       -- nothing of the key starts before that
  if lim.permits is not null then
    room := least(room, lim.permits - (select count(*)::int from ${s}.permit where limit_id = p_limit and key = p_key));
  end if;
  if lim.every is not null then                      -- the i-th start (0-based) is base + (i - (burst - 1)) * every
    room := least(room, 1 + floor(extract(epoch from t + p_ahead + (lim.burst - 1) * lim.every - base) / extract(epoch from lim.every))::int);
  end if;
  if room <= 0 then return '{}'; end if;
  with p as materialized (
    select l.*, row_number() over (order by l.priority, l.ord, l.job_id) as rn
    from (select x.ctid as tid, x.* from ${s}.later x where x.limit_id = p_limit and x.limit_key = p_key and x.state = 'p'
          order by x.priority, x.ord, x.job_id limit room for update skip locked) l
  ), i as materialized (
    select p.*, case when lim.every is null then t else greatest(t, base + (p.rn - lim.burst) * lim.every) end as at from p
  ), k as (insert into ${s}.permit(limit_id, key, job_id) select p_limit, p_key, job_id from i where lim.permits is not null
  ), g as (update ${s}.limit_key x set tat = base + (select count(*) from i) * lim.every
    where x.limit_id = p_limit and x.key = p_key and lim.every is not null
  ), d as (delete from ${s}.later x where x.ctid = any(array(select tid from i where at <= t))
  ), r as (insert into ${s}.ready(queue_id, priority, ord, job_id, epoch, attempt, lost)
    select queue_id, priority, ord, job_id, epoch, attempt, lost from i where at <= t
  ), u as (update ${s}.later x set state = 'a', run_at = i.at, limit_id = 0 from i where x.ctid = i.tid and i.at > t)
  select array_agg(distinct case when at <= t then queue_id else 0 end) into woken from i;
  return coalesce(woken, '{}');
end $$`

/** The same for many keys, in their order. */
const admitAll = (s: string) =>
  `create function ${s}.admit_all(p_limit int[], p_key text[]) returns int[] language plpgsql ${byKey} as $$
declare k record; woken int[] := '{}';
begin
  for k in select distinct l, x from unnest(p_limit, p_key) as t(l, x) order by 1, 2 loop
    woken := woken || ${s}.admit(k.l, k.x);
  end loop;
  return array(select distinct unnest(woken));
end $$`

/** Gives back the permits of jobs whose attempt has ended and lets the next of their keys in. Answers as `admit`. */
const release = (s: string) =>
  `create function ${s}.release(p_job bigint[]) returns int[] language plpgsql ${byKey} as $$
declare x record; woken int[] := '{}';
begin
  for x in select distinct p.limit_id, p.key from ${s}.permit p where p.job_id = any(p_job) order by 1, 2 loop
    perform from ${s}.limit_key k where k.limit_id = x.limit_id and k.key = x.key for update;
    delete from ${s}.permit p where p.limit_id = x.limit_id and p.key = x.key and p.job_id = any(p_job);
    woken := woken || ${s}.admit(x.limit_id, x.key);
  end loop;
  return array(select distinct unnest(woken));
end $$`

/**
 * Keys with parked jobs after the given one, in O(keys).
 */
const parkedKeys = (s: string) =>
  `create function ${s}.parked_keys(p_limit int, p_key text, p_max int) returns table (limit_id int, limit_key text)
language sql stable as $$
with recursive k as (
  (select limit_id, limit_key, 1 as n from ${s}.later where state = 'p' and (limit_id, limit_key) > (p_limit, p_key)
   order by limit_id, limit_key limit 1)
  union all
  select x.limit_id, x.limit_key, k.n + 1 from k cross join lateral (
    select l.limit_id, l.limit_key from ${s}.later l where l.state = 'p' and (l.limit_id, l.limit_key) > (k.limit_id, k.limit_key)
    order by l.limit_id, l.limit_key limit 1) x where k.n < p_max)
select limit_id, limit_key from k $$`

export const limits = (s: string): ReadonlyArray<string> => [admit(s), admitAll(s), release(s), parkedKeys(s)]

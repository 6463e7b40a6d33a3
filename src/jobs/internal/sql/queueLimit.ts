/**
 * The limit of a queue: what all of its jobs obey that name none of their own, also those that were there before.
 */
import { byKey } from "./settings.ts"

/**
 * Gives a queue a limit, or takes it away (null), in one transaction. Jobs that are available are parked, those that run
 * take a permit each, also where that is more than there are: then nobody else gets in until enough have ended.
 * Transactions that are open now may still enqueue without knowing it; `limited_by` says so, and claims look for those.
 * Without a limit parked jobs are due at once, and permits go.
 */
const setLimit = (s: string) =>
  `create function ${s}.limit_queue(p_queue int, p_limit int) returns void language plpgsql ${byKey} as $$
declare old int;
begin
  select limit_id into old from ${s}.queue where id = p_queue for no key update;
  if old is not distinct from p_limit then return; end if;
  if old is not null then
    perform from ${s}.limit_key where limit_id = old and key = '' for update;
    delete from ${s}.permit p where p.limit_id = old and p.key = ''
      and exists (select from ${s}.job j where j.id = p.job_id and j.queue_id = p_queue and j.limit_id is null);
    update ${s}.later l set limit_id = null, limit_key = null, state = 's'
    where l.state = 'p' and l.limit_id = old and l.limit_key = '' and l.queue_id = p_queue
      and exists (select from ${s}.job j where j.id = l.job_id and j.limit_id is null);
  end if;
  update ${s}.queue set limit_id = p_limit, updated_at = now(),
    limited_by = case when p_limit is not null then pg_current_xact_id() end where id = p_queue;
  if p_limit is null then return; end if;
  insert into ${s}.limit_key(limit_id, key) values (p_limit, '') on conflict do nothing;
  perform from ${s}.limit_key where limit_id = p_limit and key = '' for update;
  insert into ${s}.permit(limit_id, key, job_id)
  select p_limit, '', r.job_id from ${s}.ready r
  where r.queue_id = p_queue and r.worker_id is not null
    and exists (select from ${s}.job j where j.id = r.job_id and j.limit_id is null)
    and exists (select from ${s}.limits where id = p_limit and permits is not null)
  on conflict do nothing;
  perform ${s}.park(p_queue, p_limit);
end $$`

/** Parks what is available in a queue without having been let in by a limit. */
const park = (s: string) =>
  `create function ${s}.park(p_queue int, p_limit int) returns void language plpgsql ${byKey} as $$
begin
  with g as (
    delete from ${s}.ready r using (
      select x.ctid as tid from ${s}.ready x
      where x.queue_id = p_queue and x.worker_id is null
        and not exists (select from ${s}.permit p where p.job_id = x.job_id)
        and exists (select from ${s}.job j where j.id = x.job_id and j.limit_id is null)
      for update skip locked) k
    where r.ctid = k.tid and r.worker_id is null
    returning r.*
  )
  insert into ${s}.later(run_at, job_id, ord, queue_id, epoch, limit_id, limit_key, priority, attempt, lost, state)
  select now(), job_id, ord, queue_id, epoch, p_limit, '', priority, attempt, lost, 'p' from g;
end $$`

/**
 * Parks jobs that were enqueued by transactions that did not see the limit, until none of those is left. A queue whose
 * limit has a rate and no permits is left alone: nothing tells its strays from what was let in.
 */
const parkStrays = (s: string) =>
  `create function ${s}.park_strays(p_queue int) returns void language plpgsql as $$
declare over boolean; lim int; has_permits boolean;
begin
  select q.limit_id, q.limited_by < pg_snapshot_xmin(pg_current_snapshot()), l.permits is not null
  into lim, over, has_permits from ${s}.queue q join ${s}.limits l on l.id = q.limit_id where q.id = p_queue;
  if has_permits then perform ${s}.park(p_queue, lim); end if;
  if over or lim is null then
    update ${s}.queue set limited_by = null where id = p_queue and id in (
      select id from ${s}.queue where id = p_queue for no key update skip locked);
  end if;
end $$`

export const queueLimit = (s: string): ReadonlyArray<string> => [park(s), parkStrays(s), setLimit(s)]

/**
 * promote: due jobs become available, at most p_limit of them, earliest first. One with a limit, its own or that of its
 * queue, is parked, and its key is asked at once; one that was let in already (limit_id 0) is not asked again.
 *
 * Answers the queues that have something to claim now, 0 among them where something was scheduled anew.
 */
import { byArray } from "./settings.ts"

export const promote = (s: string): ReadonlyArray<string> => [
  `create function ${s}.promote(p_limit int, out n int, out woken int[]) language plpgsql ${byArray} as $$
#variable_conflict use_column
declare parked int; ls int[]; ks text[];
begin
with due as materialized (
  select l.ctid as tid, nullif(coalesce(l.limit_id, (select q.limit_id from ${s}.queue q where q.id = l.queue_id)), 0) as lim
  from ${s}.later l where l.state in ('s', 'r', 'a') and l.run_at <= now() order by l.run_at limit p_limit for update skip locked
), m as (
  delete from ${s}.later l where l.ctid = any(array(select tid from due where lim is null)) returning l.*
), r as (
  insert into ${s}.ready(queue_id, priority, ord, job_id, epoch, attempt, lost)
  select queue_id, priority, ord, job_id, epoch, attempt, lost from m
), p as (
  update ${s}.later l set state = 'p', limit_id = due.lim, limit_key = coalesce(l.limit_key, '')
  from due where l.ctid = any(array(select tid from due where lim is not null)) and l.ctid = due.tid
  returning l.limit_id, l.limit_key
), k as (select limit_id, limit_key from p group by limit_id, limit_key)
select (select count(*) from m), (select count(*) from p), array(select distinct queue_id from m),
  array(select limit_id from k order by limit_id, limit_key), array(select limit_key from k order by limit_id, limit_key)
into n, parked, woken, ls, ks;
n := n + parked;
if parked > 0 then woken := woken || ${s}.admit_all(ls, ks); end if;
end $$`
]

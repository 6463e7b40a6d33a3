/**
 * settle: the outcome of parents reaches the jobs that wait for them; those that can no longer go on are cancelled, with
 * whatever waits for them in turn. An edge is settled once, so it may be called again for the same parents, and a sweep
 * does that for what a crash left. A parent without a row of history that is nowhere else has completed.
 *
 * Answers whether something may go on now.
 */
import { parentNotCompleted } from "../storeFailure.ts"
import { byKey } from "./settings.ts"

export const settle = (s: string): ReadonlyArray<string> => [
  `create function ${s}.settle(p_parent bigint[]) returns boolean language plpgsql ${byKey} as $$
#variable_conflict use_column
declare woken int; gone bigint[];
begin
if p_parent is null or cardinality(p_parent) = 0 then return false; end if;
with recursive p as materialized (
  select job_id, outcome from ${s}.done where job_id = any(p_parent)
), doomed(id) as (
  select e.child_id from p join ${s}.edge e on e.parent_id = p.job_id
  where not e.settled and ((e.fires_on = 'c' and p.outcome <> 'c') or (e.fires_on = 'f' and p.outcome = 'c'))
  union
  select e.child_id from doomed k join ${s}.edge e on e.parent_id = k.id where not e.settled and e.fires_on = 'c'
), ends as materialized (select job_id as id from p union select id from doomed
), s as (
  update ${s}.edge e set settled = true from ends where e.parent_id = ends.id and not e.settled returning e.child_id
), a as (delete from ${s}.awaited w using ends where w.job_id = ends.id
), n as materialized (
  select child_id, count(*)::int as k from s where not child_id = any(array(select id from doomed)) group by child_id
), lk as materialized (
  select l.job_id from ${s}.later l
  where l.state = 'w' and l.job_id = any(array(select child_id from n union select id from doomed))
  order by l.job_id for update
), up as (
  update ${s}.later l set waits = l.waits - n.k, state = case when l.waits - n.k <= 0 then 's' else 'w' end::"char"
  from n, lk where l.job_id = n.child_id and lk.job_id = l.job_id returning l.state
), g as (
  delete from ${s}.later l using lk
  where l.job_id = lk.job_id and l.state = 'w' and l.job_id = any(array(select id from doomed))
  returning l.job_id, l.epoch, l.attempt, l.lost
), h as (
  insert into ${s}.done(job_id, epoch, attempt, lost, outcome) select job_id, epoch, attempt, lost, 'x' from g
), f as (
  insert into ${s}.failure(job_id, epoch, attempt, cause)
  select job_id, epoch + 1, 0, ${cause} from g
), z as (delete from ${s}.uniq u using g where u.job_id = g.job_id and u.release <> 'n')
select (select count(*) from up where state = 's')::int, array(select job_id from g) into woken, gone;
return woken > 0;
end $$`
]

/** Why such a job was cancelled, in the stored form of a failure. */
const cause = `'${JSON.stringify(parentNotCompleted)}'::jsonb`

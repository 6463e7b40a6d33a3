/**
 * complete: the short way to the commonest end. Jobs that completed plainly, of one queue, priority and epoch, whose ord
 * is their id: no output, report or logs, no key, children or limit (flags 0). Everything else goes through finish.
 *
 * One array scan of the hot table's only index deletes the rows that this worker still holds at this epoch. The bounds
 * matter on servers before 17, which may take the array as a filter: then they are all that is scanned. What came up
 * since the claim is looked for once a call: a limit of the queue, jobs that wait for one of these.
 *
 * Answers the ids that were fenced, usually none, and the queues that have something to claim now, 0 among them where something is due.
 */
import { byArray } from "./settings.ts"

export const complete = (s: string): ReadonlyArray<string> => [
  `create function ${s}.complete(p_worker int, p_queue int, p_priority smallint, p_epoch int, p_job bigint[],
  p_history boolean, out fenced bigint[], out woken int[])
language plpgsql ${byArray} as $$
#variable_conflict use_column
declare
  ended bigint[];
  late bigint[] := '{}';
  low bigint := (select min(x) from unnest(p_job) x);
  high bigint := (select max(x) from unnest(p_job) x);
begin
woken := '{}';
if exists (select from ${s}.awaited) then
  late := array(select a.job_id from ${s}.awaited a where a.job_id = any(p_job));
end if;
with d as (
  delete from ${s}.ready r
  where r.queue_id = p_queue and r.priority = p_priority and r.ord = any(p_job) and r.ord >= low and r.ord <= high
    and r.job_id = r.ord and r.worker_id = p_worker and r.epoch = p_epoch
  returning r.job_id, r.available_at, r.claimed_at, r.attempt, r.lost
), h as (
  insert into ${s}.done(job_id, available_at, claimed_at, worker_id, epoch, attempt, lost, outcome)
  select job_id, available_at, claimed_at, p_worker, p_epoch, attempt, lost, 'c' from d
  where p_history or job_id = any(late)
)
select array_agg(job_id) into ended from d;
if cardinality(late) > 0 and ${s}.settle(late) then woken := '{0}'; end if;
if exists (select from ${s}.queue where id = p_queue and limit_id is not null) then
  woken := woken || ${s}.release(ended);
end if;
fenced := case when cardinality(ended) = cardinality(p_job) then '{}'::bigint[]
  else array(select unnest(p_job) except select unnest(ended)) end;
end $$`
]

/**
 * finish: every outcome of a batch of one queue and priority, any mix of epochs, fenced by worker and epoch.
 *
 * outcome: c completed | f discarded | x cancelled | r retry | s snooze | h hold. flags as claimed, and 8 = a completion
 * leaves no row of history. `k` finds the rows by one array scan of the key and pairs them with the input by hash; the
 * delete goes through their ctids and looks again at the worker, so a row that changed since the snapshot is left alone.
 *
 * In the same transaction the ends reach the jobs that wait for them, and permits go on to the next; p_release false
 * leaves the latter to the caller, for a transaction that may stay open. A strict job that runs again keeps its permit.
 * A hold that was released meanwhile is none: its job is due now. What would run again, and is to be cancelled, is.
 *
 * Answers the ids that were fenced, usually none, and the queues that have something to claim now, 0 among them where something is due.
 */
import { byArray } from "./settings.ts"

export const finish = (s: string): ReadonlyArray<string> => [
  `create function ${s}.finish(p_worker int, p_queue int, p_priority smallint, p_ord bigint[], p_job bigint[], p_epoch int[],
  p_outcome "char"[], p_delay_ms bigint[], p_output jsonb[], p_report jsonb[], p_cause jsonb[], p_logs jsonb[],
  p_note text[], p_flags smallint[], p_release boolean, out fenced bigint[], out woken int[])
language plpgsql ${byArray} as $$
#variable_conflict use_column
declare
  ended bigint[];
  fates "char"[];
  marks smallint[];
  late bigint[] := '{}';
  limited boolean := coalesce((select limit_id is not null from ${s}.queue where id = p_queue), false);
  low bigint := (select min(x) from unnest(p_ord) x);
  high bigint := (select max(x) from unnest(p_ord) x);
begin
woken := '{}';
if exists (select from ${s}.awaited) then
  late := array(select a.job_id from ${s}.awaited a where a.job_id = any(p_job));
end if;
with i as materialized (
  select * from unnest(p_job, p_epoch, p_outcome, p_delay_ms, p_output, p_report, p_cause, p_logs, p_note, p_flags)
  as t(job_id, epoch, outcome, delay_ms, output, report, cause, lines, note, flags)
), k as materialized (
  select r.ctid as tid, r.*, i.outcome, i.delay_ms, i.output, i.report, i.cause, i.lines, i.note, coalesce(i.flags, 0) as flags, (
    select o.reason from ${s}.control o
    where i.outcome in ('r', 's', 'h') and o.worker_id = p_worker and o.job_id = i.job_id and o.action = 'x') as asked
  from ${s}.ready r join i on i.job_id = r.job_id and i.epoch = r.epoch
  where r.queue_id = p_queue and r.priority = p_priority and r.ord = any(p_ord) and r.ord >= low and r.ord <= high
    and r.worker_id = p_worker
), x as (
  delete from ${s}.ready r where r.ctid = any(array(select tid from k)) and r.worker_id = p_worker returning r.job_id
), d as materialized (
  select k.tid, k.ord, k.job_id, k.available_at, k.claimed_at, k.queue_id, k.worker_id, k.epoch, k.priority, k.attempt, k.lost,
    k.delay_ms, k.output, k.report, k.cause, k.lines, k.note, k.flags, k.asked,
    case when k.asked is not null then 'x'::"char" else k.outcome end as outcome
  from k join x on x.job_id = k.job_id
), h as (
  insert into ${s}.done(job_id, available_at, claimed_at, worker_id, epoch, attempt, lost, outcome, output, report)
  select job_id, available_at, claimed_at, worker_id, epoch, attempt, lost, outcome, output, report from d
  where outcome in ('c', 'f', 'x') and not (outcome = 'c' and flags & 10 = 8 and not job_id = any(late))
), f as (
  insert into ${s}.failure(job_id, claimed_at, epoch, attempt, cause)
  select job_id, claimed_at, epoch, attempt, cause from d where cause is not null
  union all
  select job_id, null, epoch + 1, 0, jsonb_build_object('kind', 'interruption', 'tag', 'Cancelled', 'message', 'cancelled'
    || coalesce(' by ' || (asked ->> 'actor'), '') || coalesce(': ' || (asked ->> 'reason'), ''), 'cause', '', 'cancellation', asked)
  from d where asked is not null
), g as (
  insert into ${s}.job_log(job_id, claimed_at, epoch, attempt, lines)
  select job_id, claimed_at, epoch, attempt, lines from d where lines is not null
), l as (
  insert into ${s}.later(run_at, job_id, ord, queue_id, epoch, limit_id, limit_key, priority, attempt, lost, state, note)
  select now() + coalesce(d.delay_ms, 0) * interval '1 millisecond', d.job_id, d.ord, d.queue_id, d.epoch,
    case when d.flags & 32 = 32 then 0 else b.limit_id end, b.limit_key, d.priority,
    d.attempt - (d.outcome <> 'r')::int, d.lost,
    case when d.outcome = 'h' and not exists (select from ${s}.holds o where o.name = d.note) then 's' else d.outcome end,
    d.note
  from d left join lateral (
    select j.limit_id, j.limit_key from ${s}.job j where j.id = d.job_id and d.flags & 4 = 4 limit 1
  ) b on true
  where d.outcome in ('r', 's', 'h')
), z as (
  delete from ${s}.uniq u where u.release <> 'n'
    and u.job_id = any(array(select job_id from d where flags & 1 = 1 and outcome in ('c', 'f', 'x')))
)
select array_agg(job_id), array_agg(outcome), array_agg(flags::smallint) into ended, fates, marks from d;
if cardinality(late) > 0 or exists (select from unnest(marks) g where g & 2 = 2) then
  if ${s}.settle(array(
    select t.job_id from unnest(ended, fates, marks) as t(job_id, outcome, flags)
    where t.outcome in ('c', 'f', 'x') and (t.flags & 2 = 2 or t.job_id = any(late)))) then
    woken := '{0}';
  end if;
end if;
if p_release and (limited or exists (select from unnest(marks) g where g & 4 = 4)) then
  woken := woken || ${s}.release(array(
    select t.job_id from unnest(ended, fates, marks) as t(job_id, outcome, flags)
    where not (t.outcome in ('r', 's', 'h') and t.flags & 32 = 32)));
end if;
fenced := case when cardinality(ended) = cardinality(p_job) then '{}'::bigint[]
  else array(select unnest(p_job) except select unnest(ended)) end;
end $$`
]

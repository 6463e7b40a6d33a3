/**
 * Functions for programs in any language, and for autoscalers. Their names and parameters are public: a change gets a new
 * name.
 */

/**
 * Enqueues one job, in the caller's transaction, and answers its id. `options`, all optional: `priority` (lower first),
 * `maxAttempts`, `delayMs`, `runAt` (a timestamp), `tenant`, `tags` (an array of texts), `uniqueKey` (a text: while a job
 * of the queue and task with this key has not ended, its id is the answer). The payload has to be what the task's Schema
 * reads. What cannot be understood is an error, and nothing is enqueued. The workers find the job with their next poll at
 * the latest; `notify` true wakes them at the commit, which then waits for other commits that notify.
 */
const enqueueJob = (s: string) =>
  `create function ${s}.enqueue_job(queue text, task text, payload jsonb, options jsonb default '{}') returns bigint
language plpgsql as $$
#variable_conflict use_column
declare
  o jsonb := coalesce(options, '{}'); q int; t int; e record; odd text; meta jsonb;
begin
  if coalesce(enqueue_job.queue, '') = '' or coalesce(enqueue_job.task, '') = '' then
    raise exception 'enqueue_job: name a queue and a task' using errcode = '22023';
  end if;
  if enqueue_job.payload is null then
    raise exception 'enqueue_job: the payload is NULL: give JSON, ''null'' where there is nothing' using errcode = '22023';
  end if;
  if jsonb_typeof(o) <> 'object' then
    raise exception 'enqueue_job: the options are no JSON object: %', o using errcode = '22023';
  end if;
  select string_agg(k, ', ') into odd from jsonb_object_keys(o) k
  where k not in ('priority', 'maxAttempts', 'delayMs', 'runAt', 'tenant', 'tags', 'uniqueKey', 'notify');
  if odd is not null then
    raise exception 'enqueue_job: unknown options: %', odd
      using errcode = '22023', hint = 'known are priority, maxAttempts, delayMs, runAt, tenant, tags, uniqueKey, notify';
  end if;
  if jsonb_typeof(o -> 'tags') not in ('array', 'null') then
    raise exception 'enqueue_job: tags are no array of texts: %', o -> 'tags' using errcode = '22023';
  end if;
  if (o ->> 'delayMs')::bigint < 0 or (o ->> 'maxAttempts')::int < 1 then
    raise exception 'enqueue_job: delayMs is below 0, or maxAttempts below 1' using errcode = '22023';
  end if;
  meta := case when jsonb_typeof(o -> 'tags') = 'array' then jsonb_build_object('tags', o -> 'tags') end;
  select n.queue_id, n.task_id into q, t from ${s}.names(array[enqueue_job.queue], array[enqueue_job.task]) n;
  select x.* into e from ${s}.enqueue_any(array[q], array[t], array[enqueue_job.payload::text], array[meta::text],
    array[(o ->> 'priority')::smallint], array[(o ->> 'maxAttempts')::smallint], array[(o ->> 'delayMs')::bigint],
    array[(o ->> 'runAt')::timestamptz], array[o ->> 'tenant'], null, null,
    case when o ->> 'uniqueKey' is not null then
      array[sha256(convert_to(enqueue_job.queue || e'\\n' || enqueue_job.task || e'\\n' || (o ->> 'uniqueKey'), 'UTF8'))] end,
    null, null, null, null, null, null, null, null, null, null, null) x;
  if (o ->> 'notify')::boolean then
    perform pg_notify(${literal(s)}, 'jobs/queue/' || enqueue_job.queue);
  end if;
  return e.ids[1];
end $$`

/** The channel of notifications is named like the schema. */
const literal = (s: string) => `'${s.slice(1, -1)}'`

/**
 * Jobs of a queue that one more worker could run now, and since when the oldest of them waits; null where there is none.
 * Not those of a paused queue, task or tenant, nor those that wait for a limit.
 */
const runnable = (s: string) =>
  `create function ${s}.runnable(queue text, out jobs bigint, out oldest timestamptz) language sql stable as $$
  with q as (select id from ${s}.queue where name = $1 and paused_at is null
  ), w as (
    select r.job_id, r.available_at as since from ${s}.ready r join q on r.queue_id = q.id where r.worker_id is null
    union all
    select l.job_id, l.run_at from ${s}.later l join q on l.queue_id = q.id where l.state in ('s', 'r', 'a') and l.run_at <= now()
  )
  select count(*), min(w.since) from w
  where not exists (select from ${s}.holds) or not exists (
    select from ${s}.job j join ${s}.task t on t.id = j.task_id
    join ${s}.holds h on h.name in ('task:' || t.name, 'tenant:' || (j.meta #>> '{origin,tenant}')) where j.id = w.job_id) $$`

/**
 * Seconds of work that one more worker could do in a queue, rounded up: runnable jobs times how long one has taken of late,
 * in seconds, over the last 1,000 that completed within an hour. Until one has completed it is the number of those jobs.
 * For an autoscaler that asks for one number: divide by how fast the queue is to be empty.
 */
const scalingMetric = (s: string) =>
  `create function ${s}.scaling_metric(queue text) returns bigint language sql stable as $$
  with d as (
    select avg(greatest(0, extract(epoch from x.finished_at - x.claimed_at))) as s from (
      select d.finished_at, d.claimed_at from ${s}.done d join ${s}.queue q on q.name = $1
      where d.job_id > ${s}.id_floor(now() - interval '1 day') and d.outcome = 'c' and d.claimed_at is not null
        and d.finished_at > now() - interval '1 hour'
        and exists (select from ${s}.job j where j.id = d.job_id and j.queue_id = q.id)
      order by d.job_id desc limit 1000) x
  )
  select ceil(w.jobs * case when d.s is null then 1 else greatest(d.s, 0.001) end)::bigint from d, ${s}.runnable($1) w $$`

/** States by key of Effect's own modules: rate limits and circuits. */
const keyedState = (s: string) =>
  `create table ${s}.keyed_state (
  kind text not null, key text not null, state jsonb not null, expires_at timestamptz not null, primary key (kind, key)
) with (fillfactor = 50)`

export const interop = (
  s: string
): ReadonlyArray<string> => [enqueueJob(s), runnable(s), scalingMetric(s), keyedState(s)]

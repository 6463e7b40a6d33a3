/**
 * The tables of jobs: an immutable body | a narrow hot row with one index | what cannot run now | append-only outcomes.
 *
 * Nothing wide is rewritten, nothing hot is indexed twice. What is wide is partitioned by day on the job's id.
 */

/** Tables that are cut by day, with the column that they are cut by. */
export const daily = [
  ["job", "id"],
  ["done", "job_id"],
  ["failure", "job_id"],
  ["job_log", "job_id"],
  ["progress", "job_id"]
] as const

export const tables = (s: string): ReadonlyArray<string> => [
  // names of 4 bytes, kept by clients. ageing_ms: ord grows with the priority's number, so that no job waits for ever.
  // removed: it is known only while something is in it or serves it; its number stays, for clients keep it.
  // limited_by: the transaction that gave the queue a limit, until no older one is left that did not see it
  `create table ${s}.queue (
  id int generated always as identity primary key, name text not null unique,
  paused_at timestamptz, fair boolean not null default false, ageing_ms bigint check (ageing_ms > 0),
  limit_id int, limited_by xid8, removed boolean not null default false, updated_at timestamptz not null default now()
)`,
  `create table ${s}.task (id int generated always as identity primary key, name text not null unique)`,
  // tasks that a queue was ever used for
  `create table ${s}.queue_task (queue_id int not null, task_id int not null, primary key (queue_id, task_id))`,

  // BODY. release: what frees the key besides its period: d the end | s the first start | n nothing
  `create table ${s}.job (
  id bigint not null, created_at timestamptz not null default now(), ord bigint not null,
  queue_id int not null, task_id int not null, limit_id int,
  priority smallint not null, max_attempts smallint not null,
  children boolean not null default false, strict boolean not null default false, release "char",
  limit_key text, tenant text, ukey bytea, args jsonb not null, meta jsonb,
  primary key (id)
) partition by range (id)`,

  // HOT: available and running jobs, exactly one index. Claim is a HOT update, finish a delete
  `create table ${s}.ready (
  ord bigint not null, job_id bigint not null, available_at timestamptz not null default now(), claimed_at timestamptz,
  queue_id int not null, worker_id int, epoch int not null default 0,
  priority smallint not null, attempt smallint not null default 0, lost smallint not null default 0,
  primary key (queue_id, priority, ord, job_id)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
  autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 100000)`,

  // LATER. state: s scheduled or snoozed | r retryable | w waits for other jobs | p parked by a limit | a let in by a
  // limit, starts at run_at | h held, note is the hold's name. limit_id: null = that of the queue, if it has one | 0 = need
  // not be let in any more
  `create table ${s}.later (
  run_at timestamptz not null, job_id bigint primary key, ord bigint not null,
  queue_id int not null, epoch int not null, limit_id int, waits int not null default 0,
  priority smallint not null, attempt smallint not null, lost smallint not null,
  state "char" not null check (state in ('s', 'r', 'w', 'p', 'a', 'h')),
  limit_key text, note text
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
  autovacuum_vacuum_cost_delay = 0)`,
  `create index later_due on ${s}.later (run_at) where state in ('s', 'r', 'a')`,
  `create index later_parked on ${s}.later (limit_id, limit_key, priority, ord, job_id) where state = 'p'`,
  `create index later_held on ${s}.later (note, job_id) where state = 'h'`,

  // OUTCOME. c completed | f discarded | x cancelled. Completed without a row: history was not kept
  `create table ${s}.done (
  job_id bigint not null primary key, finished_at timestamptz not null default now(),
  available_at timestamptz, claimed_at timestamptz, worker_id int, epoch int not null, attempt smallint not null,
  lost smallint not null default 0, outcome "char" not null, output jsonb, report jsonb
) partition by range (job_id)`,
  `create index on ${s}.done using brin (finished_at)`,
  // attempt 0: no attempt, but the end of a job that did not run when it ended; epoch is that of `done` + 1
  `create table ${s}.failure (
  job_id bigint not null, claimed_at timestamptz, at timestamptz not null default now(), epoch int not null,
  attempt smallint not null, cause jsonb not null, primary key (job_id, epoch)
) partition by range (job_id)`,
  `create table ${s}.job_log (
  job_id bigint not null, claimed_at timestamptz, at timestamptz not null default now(), epoch int not null,
  attempt smallint not null, lines jsonb not null, primary key (job_id, epoch)
) partition by range (job_id)`,
  `create table ${s}.progress (
  job_id bigint not null primary key, at timestamptz not null default now(), epoch int not null, value jsonb not null
) partition by range (job_id)`,
  // rows outside every day: what was moved out of a dropped one, and inserts made while maintenance was away
  ...daily.map(([table]) => `create table ${s}.${table}_default partition of ${s}.${table} default`),

  // keys live apart: jobs without one pay nothing
  `create table ${s}.uniq (
  key bytea primary key, job_id bigint not null unique, until timestamptz not null default 'infinity',
  release "char" not null default 'd'
)`,

  // processes, one row each. backend_*: the server process behind the heartbeat's connection, witness_*: that behind another
  // one of the same process; null behind a pooler. alone_*: the attempt that runs with nothing else in hand. What it said
  // itself: resigned, that it lives and gives up; hung, that its event loop stands still
  `create table ${s}.worker (
  id int generated always as identity primary key, node text not null, started_at timestamptz not null default now(),
  expires_at timestamptz not null, backend_pid int, backend_start timestamptz, info jsonb not null default '{}',
  serves jsonb not null default '{}', alone_job bigint, alone_epoch int,
  witness_pid int, witness_start timestamptz,
  resigned boolean not null default false, hung boolean not null default false
) with (fillfactor = 50)`,
  // who a worker was, for the history of its jobs; its row of `worker` goes when it does. blamed_*: the attempts that were
  // taken for what ended it
  `create table ${s}.node (
  worker_id int primary key, name text not null, since timestamptz not null default now(),
  blamed_jobs bigint[], blamed_epochs int[]
)`,
  // the mailbox of a process. action: x cancel
  `create table ${s}.control (
  worker_id int not null, job_id bigint not null, action "char" not null, reason jsonb, primary key (worker_id, job_id)
)`,

  // fires_on, of the parent's end: c completed | f not completed | a any
  `create table ${s}.edge (
  parent_id bigint not null, child_id bigint not null, fires_on "char" not null default 'c',
  settled boolean not null default false, primary key (parent_id, child_id)
)`,
  `create index edge_child on ${s}.edge (child_id)`,
  `create index edge_open on ${s}.edge (parent_id) where not settled`,
  // parents that were there before the jobs that wait for them: their own rows do not say that somebody waits
  `create table ${s}.awaited (job_id bigint primary key)`,

  // permits: at once, for each key. every: between two starts of a key, burst: units at once. units, per_ms: as it was set.
  // removed: nobody finds it by its name until it is set again; its number stays, and who remembers it obeys it as it was
  `create table ${s}.limits (
  id int generated always as identity primary key, name text not null unique,
  permits int check (permits > 0), every interval check (every > interval '0'),
  burst int not null default 1 check (burst > 0), units int, per_ms float8,
  removed boolean not null default false
)`,
  `create table ${s}.limit_key (
  limit_id int not null, key text not null, tat timestamptz not null default '-infinity', primary key (limit_id, key)
) with (fillfactor = 50)`,
  `create table ${s}.permit (
  limit_id int not null, key text not null, job_id bigint not null, primary key (limit_id, key, job_id)
) with (fillfactor = 50)`,
  `create unique index permit_job on ${s}.permit (job_id)`,
  `insert into ${s}.limits (name, permits) values ('order', 1)`,

  // virtual time of fair queues and their tenants; a claim reads neither
  `create table ${s}.fair_clock (queue_id int primary key, vt bigint not null default 0) with (fillfactor = 50)`,
  `create table ${s}.fair_tenant (
  queue_id int not null, tenant text not null, weight int not null default 1 check (weight > 0),
  vt bigint not null default 0, primary key (queue_id, tenant)
) with (fillfactor = 50)`,

  // kinds and tenants that are paused
  `create table ${s}.holds (name text primary key, at timestamptz not null default now())`
]

/**
 * The promises of the room's statements, checked on the server before anything is timed: a fast shape that broke one would win unfairly.
 *
 * Each check states a fact and rejects with it when it does not hold.
 */
import type { Server } from "../../../postgres.ts"
import { type PgConnection, withConnection } from "../../peers.ts"
import { openDatabase } from "../places/Postgres.ts"
import type { Shape } from "./Shape.ts"
import { databaseOf } from "./system.ts"

interface Job {
  readonly job_id: string
  readonly ord: string
  readonly epoch: number
  readonly attempt: number
  readonly priority: number
}

const start = [-32768, -1, -1] as const

const insert = async (connection: PgConnection, jobs: number, priority = 0) => {
  await connection.query(
    `with x as materialized (select new_id() as id, g from generate_series(1, $1::int) g), b as (
  insert into job(id, ord, queue_id, task_id, priority, max_attempts, args) select id, id, 1, 1, $2, 20, to_jsonb(g) from x)
insert into ready(queue_id, priority, ord, job_id) select 1, $2, id, id from x`,
    [jobs, priority]
  )
}

const one = async (connection: PgConnection, text: string, values: ReadonlyArray<unknown> = []): Promise<unknown> => {
  const { rows } = await connection.query(text, values)
  return Object.values(rows[0] ?? {})[0]
}

const register = async (connection: PgConnection) =>
  Number(
    await one(
      connection,
      "insert into worker(node, expires_at) values ('check', now() + interval '1 minute') returning id"
    )
  )

const claim = async (connection: PgConnection, worker: number, limit: number): Promise<ReadonlyArray<Job>> => {
  const { rows } = await connection.query("select * from claim(1, $1, $2, $3, $4, $5)", [limit, worker, ...start])
  return rows as unknown as ReadonlyArray<Job> // the function's declared result columns
}

const complete = async (connection: PgConnection, worker: number, epoch: number, ids: ReadonlyArray<string>) =>
  await one(connection, "select complete($1, 1, 0::smallint, $2, $3::bigint[], true)::text[]", [
    worker,
    epoch,
    ids
  ]) as ReadonlyArray<string>

const finish = async (
  connection: PgConnection,
  worker: number,
  jobs: ReadonlyArray<{ readonly job: Job; readonly outcome: string; readonly cause?: object; readonly flags?: number }>
): Promise<ReadonlyArray<string>> => {
  const all = (value: (entry: (typeof jobs)[number]) => unknown) => jobs.map(value)
  const { rows } = await connection.query(
    `select job_id::text from finish($1, 1, 0::smallint, $2::bigint[], $3::bigint[], $4::int[], $5::"char"[], null, null, $6::jsonb[],
    $7::smallint[])`,
    [
      worker,
      all(({ job }) => job.ord),
      all(({ job }) => job.job_id),
      all(({ job }) => job.epoch),
      all(({ outcome }) => outcome),
      all(({ cause }) => cause === undefined ? null : JSON.stringify(cause)),
      all(({ flags }) => flags ?? 0)
    ]
  )
  return rows.map((row) => String(row["job_id"]))
}

const ids = (jobs: ReadonlyArray<Job>) => jobs.map((job) => job.job_id)

type Check = (connection: PgConnection, url: string, fact: (holds: boolean, what: string) => void) => Promise<void>

const claims: Check = async (connection, _url, fact) => {
  await insert(connection, 3, 5)
  await insert(connection, 7)
  const a = await register(connection)
  const b = await register(connection)
  const first = await claim(connection, a, 8)
  const second = await claim(connection, b, 8)
  fact(first.length === 8 && second.length === 2, "a claim takes at most its limit and leaves the rest to others")
  fact(new Set([...ids(first), ...ids(second)]).size === 10, "no job is claimed twice")
  fact(first.map((job) => job.priority).join() === "0,0,0,0,0,0,0,5", "lower priority numbers come first")
  fact(first.every((job) => job.epoch === 1 && job.attempt === 1), "a claim counts epoch and attempt")
}

const fence: Check = async (connection, _url, fact) => {
  await insert(connection, 4)
  const a = await register(connection)
  const b = await register(connection)
  const stale = await claim(connection, a, 4)
  await connection.query(
    "update ready set worker_id = null, claimed_at = null, epoch = epoch + 1, lost = lost + 1 where worker_id = $1",
    [a]
  )
  const fresh = await claim(connection, b, 4)
  const refused = await complete(connection, a, 1, ids(stale))
  fact(refused.length === 4, "complete names every job whose attempt was fenced")
  fact((await complete(connection, b, 1, ids(fresh))).length === 4, "the right worker with a stale epoch is fenced")
  fact(
    (await finish(connection, a, stale.map((job) => ({ job, outcome: "c" })))).length === 0,
    "finish refuses a stale worker"
  )
  fact(
    (await finish(connection, b, stale.map((job) => ({ job, outcome: "c" })))).length === 0,
    "finish refuses a stale epoch of the same worker"
  )
  fact(
    await one(connection, "select count(*)::int from ready where worker_id is not null") === 4,
    "a fenced finish changes nothing"
  )
  fact(await one(connection, "select count(*)::int from done") === 0, "a fenced finish writes no outcome")
  fact((await complete(connection, a, 3, ids(fresh))).length === 4, "another worker with the right epoch is fenced")
  fact(
    (await finish(connection, a, fresh.map((job) => ({ job, outcome: "c" })))).length === 0,
    "finish refuses another worker with the right epoch"
  )
  fact((await complete(connection, b, 3, ids(fresh).slice(0, 2))).length === 0, "the living attempt completes")
  fact(
    (await complete(connection, b, 3, ids(fresh))).toSorted().join() === ids(fresh).slice(0, 2).toSorted().join(),
    "a second finish of the same job is fenced, its neighbours complete"
  )
  fact(
    await one(connection, "select count(*)::int from done where outcome = 'c' and epoch = 3") === 4,
    "every completion has its outcome row"
  )
}

const liveness: Check = async (connection, _url, fact) => {
  await insert(connection, 2)
  const dead = await register(connection)
  await connection.query("update worker set expires_at = now() - interval '1 second' where id = $1", [dead])
  fact((await claim(connection, dead, 2)).length === 0, "a worker that was declared dead claims nothing")
  await connection.query("delete from worker where id = $1", [dead])
  fact((await claim(connection, dead, 2)).length === 0, "a worker without a row claims nothing")
  const living = await register(connection)
  await connection.query("update queue set paused_at = now()")
  fact((await claim(connection, living, 2)).length === 0, "a paused queue gives nothing")
}

const outcomes: Check = async (connection, _url, fact) => {
  await insert(connection, 5)
  const worker = await register(connection)
  const [completed, discarded, retried, snoozed, cancelled] = await claim(connection, worker, 5)
  if (!completed || !discarded || !retried || !snoozed || !cancelled) return fact(false, "five jobs are claimed")
  for (const job of [completed, retried]) {
    await connection.query("insert into uniq(key, job_id) values (int8send($1), $1)", [job.job_id])
  }
  const ended = await finish(connection, worker, [
    { job: completed, outcome: "c", flags: 1 },
    { job: discarded, outcome: "f", cause: { _tag: "Failed" } },
    { job: retried, outcome: "r", cause: { _tag: "Failed" }, flags: 1 },
    { job: snoozed, outcome: "s" },
    { job: cancelled, outcome: "x" }
  ])
  fact(ended.length === 5, "one call ends a batch of different outcomes")
  const outcome = "select string_agg(outcome::text, '' order by job_id) from done"
  fact(await one(connection, outcome) === "cfx", "completed, discarded and cancelled jobs have their outcome row")
  fact(await one(connection, "select count(*)::int from failure") === 2, "each failed attempt keeps its cause")
  const later = "select string_agg(state::text || attempt, '' order by job_id) from later"
  fact(await one(connection, later) === "r1s0", "a retry keeps its attempt, a snooze gives it back")
  fact(
    await one(connection, "select string_agg(job_id::text, '') from uniq") === retried.job_id,
    "an ended job gives its key back, a retried one keeps it"
  )
  fact(await one(connection, "select count(*)::int from ready") === 0, "nothing stays in the hot table")
}

const sharedOrd: Check = async (connection, _url, fact) => {
  await insert(connection, 4)
  await connection.query("update ready set ord = 7")
  const worker = await register(connection)
  const [first, second, ...rest] = await claim(connection, worker, 4)
  if (!first || !second) return fact(false, "jobs that share an ord are claimed")
  fact(
    (await complete(connection, worker, 1, ids([first]))).length === 1,
    "complete leaves a job whose ord is not its id to finish"
  )
  const ended = await finish(connection, worker, [{ job: first, outcome: "c" }, { job: second, outcome: "r" }])
  fact(
    ended.toSorted().join() === ids([first, second]).toSorted().join(),
    "finish ends exactly the named jobs among those that share an ord"
  )
  fact(
    await one(connection, "select count(*)::int from ready") === rest.length,
    "the others that share the ord keep running"
  )
}

const plans: Check = async (connection, url, fact) => {
  await connection.query("alter table ready set (autovacuum_enabled = off)")
  await connection.query("analyze")
  await insert(connection, 20_000)
  // a fresh connection, so that every plan is made with the statistics of empty tables
  await withConnection(url, async (fresh) => {
    const worker = await register(fresh)
    for (let round = 0; round < 3; round++) {
      const jobs = await claim(fresh, worker, 1000)
      await complete(fresh, worker, 1, ids(jobs.slice(0, 500)))
      await finish(fresh, worker, jobs.slice(500).map((job) => ({ job, outcome: "c" })))
    }
    await fresh.query("select pg_stat_force_next_flush()")
  })
  const read = await connection.query(
    "select sum(seq_tup_read)::int as scanned, sum(idx_tup_fetch)::int as fetched from pg_stat_user_tables where relname = 'ready' or relname like 'job\\_2%'"
  )
  fact(Number(read.rows[0]?.["scanned"]) === 0, "no sequential scan with the statistics of empty tables")
  fact(Number(read.rows[0]?.["fetched"]) <= 20_000, "rows are found by key with the statistics of empty tables")
}

const concurrent: Check = async (connection, url, fact) => {
  await insert(connection, 4000)
  const seen: Array<string> = []
  await Promise.all(Array.from({ length: 4 }, () =>
    withConnection(url, async (own) => {
      const worker = await register(own)
      for (let jobs = await claim(own, worker, 100); jobs.length > 0; jobs = await claim(own, worker, 100)) {
        seen.push(...ids(jobs))
        await complete(own, worker, 1, ids(jobs))
      }
    })))
  fact(seen.length === 4000 && new Set(seen).size === 4000, "four claimers take each of 4,000 jobs exactly once")
  fact(await one(connection, "select count(*)::int from done") === 4000, "each of 4,000 jobs has one outcome")
}

const checks: Readonly<Record<string, Check>> = { claims, fence, liveness, outcomes, sharedOrd, plans, concurrent }

/** Runs every check on fresh databases of the shape; answers the facts, rejects at the first that does not hold. */
export const verify = async (server: Server, shape: Shape): Promise<ReadonlyArray<string>> => {
  const facts: Array<string> = []
  for (const [name, check] of Object.entries(checks)) {
    const place = await openDatabase(server, databaseOf(shape))
    try {
      await check(place.connection, place.url, (holds, what) => {
        if (!holds) throw new Error(`${name}: it does not hold that ${what}`)
        facts.push(what)
      })
    } finally {
      await place.close()
    }
  }
  return facts
}

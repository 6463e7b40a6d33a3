/** How long jobs are kept on Postgres: days, bounds, and what is never touched. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { JobId } from "ostinato/jobs/Job"
import * as JobFilter from "ostinato/jobs/JobFilter"
import { daily } from "../../../src/jobs/internal/sql/tables.ts"
import * as jobs from "./jobs.ts"

layer(jobs.layer, { excludeTestServices: true, timeout: 60_000 })("retention", (it) => {
  const sql = PgClient.PgClient

  /** The tables of a day before today, as they were made when it was to come. */
  const makeDay = Effect.fnUntraced(function*(ago: number) {
    const pg = yield* sql
    const [row] = yield* pg<{ suffix: string; low: string; high: string }>`
      SELECT to_char(d, 'YYYYMMDD') AS suffix, ostinato.id_floor(d::timestamp AT TIME ZONE 'UTC')::text AS low,
        ostinato.id_floor((d + 1)::timestamp AT TIME ZONE 'UTC')::text AS high
      FROM (SELECT (now() AT TIME ZONE 'UTC')::date - ${ago}::int AS d) x`
    const { high, low, suffix } = row!
    for (const [table] of daily) {
      const child = pg(`${table}_${suffix}`)
      yield* pg`CREATE TABLE ostinato.${child} (LIKE ostinato.${pg(table)} INCLUDING DEFAULTS INCLUDING STORAGE)`
      yield* pg.unsafe(
        `ALTER TABLE ostinato.${table} ATTACH PARTITION ostinato.${table}_${suffix} FOR VALUES FROM (${low}) TO (${high})`
      )
    }
    return { suffix, low: BigInt(low), high: BigInt(high) }
  })

  /** Jobs of a day at noon: of 20 one is discarded, one cancelled, one still waits, the rest have completed. */
  const fillDay = Effect.fnUntraced(function*(queue: number, low: bigint, count: number, ago: number) {
    const pg = yield* sql
    const first = String(low + (43_200_000n << 20n))
    const place = pg`SELECT ${first}::bigint + (n::bigint << 20) AS id, n FROM generate_series(1, ${count}) n`
    yield* pg`INSERT INTO ostinato.job (id, created_at, ord, queue_id, task_id, priority, max_attempts, args)
      SELECT id, now() - ${ago}::int * interval '1 day', id, ${queue}, 1, 0, 20, jsonb_build_object('n', n) FROM (${place}) x`
    yield* pg`INSERT INTO ostinato.ready (queue_id, priority, ord, job_id)
      SELECT ${queue}, 0, id, id FROM (${place}) x WHERE n % 20 = 0`
    yield* pg`INSERT INTO ostinato.done (job_id, finished_at, epoch, attempt, outcome)
      SELECT id, now() - ${ago}::int * interval '1 day', 1, 1,
        (CASE n % 20 WHEN 1 THEN 'f' WHEN 2 THEN 'x' ELSE 'c' END)::"char" FROM (${place}) x WHERE n % 20 <> 0`
    yield* pg`INSERT INTO ostinato.failure (job_id, epoch, attempt, cause)
      SELECT id, 1, 1, '{"kind":"failure","tag":"Broken","message":"m","cause":"c"}' FROM (${place}) x WHERE n % 20 = 1`
    yield* pg`INSERT INTO ostinato.job_log (job_id, epoch, attempt, lines) SELECT id, 1, 1, '[]' FROM (${place}) x WHERE n % 20 = 1`
    yield* pg`INSERT INTO ostinato.progress (job_id, epoch, value) SELECT id, 1, '1' FROM (${place}) x WHERE n % 20 > 0`
  })
  const queueOf = (name: string) =>
    Effect.gen(function*() {
      const pg = yield* sql
      yield* pg`INSERT INTO ostinato.task (name) VALUES ('test.task') ON CONFLICT DO NOTHING`
      const [row] = yield* pg<{ id: number }>`INSERT INTO ostinato.queue (name) VALUES (${name}) RETURNING id`
      return row!.id
    })
  const endedBefore = (outcome: string, days: number) =>
    Effect.flatMap(sql, (pg) =>
      pg<{ n: number }>`
      SELECT count(*)::int AS n FROM ostinato.done
      WHERE outcome = ${outcome}::"char" AND finished_at < now() - ${days} * interval '1 day' - interval '1 minute'`)
      .pipe(Effect.map(([row]) => row!.n))
  const count = (table: string) =>
    Effect.flatMap(sql, (pg) => pg<{ n: number }>`SELECT count(*)::int AS n FROM ostinato.${pg(table)}`).pipe(
      Effect.map(([row]) => row!.n)
    )

  it.effect("D.8 a month of load stays under the bounds of age and number, what is kept is readable, what waits is untouched", () =>
    Effect.gen(function*() {
      const store = yield* jobs.Store
      const queue = yield* queueOf("month")
      const suffixes: Array<string> = []
      for (let ago = 30; ago >= 2; ago--) {
        const day = yield* makeDay(ago)
        suffixes.push(day.suffix)
        yield* fillDay(queue, day.low, 100, ago)
      }
      const live = yield* count("ready")
      assert.strictEqual(live, 29 * 5)
      const gone = yield* store.prune({ completed: "7 days", cancelled: "7 days", discarded: "20 days" })
      assert.isAbove(gone, 1500)
      assert.deepStrictEqual(
        [yield* endedBefore("c", 7), yield* endedBefore("x", 7), yield* endedBefore("f", 20)],
        [0, 0, 0]
      )
      // discarded ones between are there, with why, though the tables of their days are not
      const pg = yield* sql
      const [old] = yield* pg`SELECT to_regclass(${`ostinato.job_${suffixes[0]}`}) AS there`
      assert.deepStrictEqual({ ...old }, { there: null })
      const discarded = yield* store.query({
        filter: { ...JobFilter.all, queues: ["month"], states: ["discarded"] },
        before: null,
        limit: 1000
      })
      assert.isAbove(discarded.length, 50)
      assert.isTrue(discarded.every(({ failure, payload }) => failure?.tag === "Broken" && payload !== null))
      assert.strictEqual(
        yield* count("done"),
        discarded.length + (yield* store.count({
          ...JobFilter.all,
          queues: ["month"],
          states: ["completed", "cancelled"]
        }, 10_000))
      )

      yield* store.prune({ completed: "7 days", cancelled: "7 days", discarded: "20 days", jobs: 300 })
      assert.strictEqual(yield* count("done"), 300)
      const waiting = yield* store.query({
        filter: { ...JobFilter.all, queues: ["month"], states: ["available"] },
        before: null,
        limit: 1000
      })
      assert.strictEqual(waiting.length, live)
      // bodies of what is there, and no others
      assert.strictEqual(yield* count("job"), 300 + live)
      // nor reasons, logs and progress of what is gone
      for (const table of ["failure", "job_log", "progress"]) {
        const [orphans] = yield* pg<{ n: number }>`SELECT count(*)::int AS n FROM ostinato.${pg(table)} x
          WHERE NOT EXISTS (SELECT FROM ostinato.job j WHERE j.id = x.job_id)`
        assert.strictEqual(orphans?.n, 0, table)
        assert.isAbove(yield* count(table), 0, table)
      }
      const member = yield* jobs.member()
      assert.lengthOf(yield* store.claim(member, "month", 1000), live)
      yield* pg`DELETE FROM ostinato.ready`
    }))

  it.effect("a day whose jobs are needed in numbers stays, and what may go of it goes row by row", () =>
    Effect.gen(function*() {
      const store = yield* jobs.Store
      const pg = yield* sql
      const queue = yield* queueOf("needed")
      const day = yield* makeDay(40)
      yield* fillDay(queue, day.low, 2000, 40)
      // more than are moved at once
      yield* pg`UPDATE ostinato.done SET outcome = 'f' WHERE job_id >= ${String(day.low)}::bigint AND job_id < ${
        String(day.high)
      }::bigint AND outcome = 'x'`
      const [fate] = yield* pg<{ fate: string }>`
        SELECT ostinato.drop_day((now() AT TIME ZONE 'UTC')::date - 40, '7 days', '7 days', '90 days', 10) AS fate`
      assert.strictEqual(fate?.fate, "kept")
      yield* store.prune({})
      const [kept] = yield* pg<{ discarded: number; others: number }>`
        SELECT count(*) FILTER (WHERE outcome = 'f')::int AS discarded, count(*) FILTER (WHERE outcome <> 'f')::int AS others
        FROM ostinato.done WHERE job_id >= ${String(day.low)}::bigint AND job_id < ${String(day.high)}::bigint`
      assert.deepStrictEqual({ ...kept }, { discarded: 200, others: 0 })
    }))

  it.effect("a job that is made to run again while its outcome is removed has its body, or is gone", () =>
    Effect.gen(function*() {
      const store = yield* jobs.Store
      const pg = yield* sql
      const queue = yield* queueOf("racing")
      const day = yield* makeDay(50)
      yield* fillDay(queue, day.low, 200, 100)
      yield* pg`DELETE FROM ostinato.ready WHERE queue_id = ${queue}`
      yield* pg`UPDATE ostinato.done SET outcome = 'f' WHERE job_id >= ${String(day.low)}::bigint AND job_id < ${
        String(day.high)
      }::bigint`
      const rows = yield* pg<{ id: string }>`
        SELECT job_id::text AS id FROM ostinato.done WHERE job_id >= ${String(day.low)}::bigint AND job_id < ${
        String(day.high)
      }::bigint`
      const ids = rows.map(({ id }) => JobId.make(id))
      yield* Effect.all([
        store.prune({}),
        Effect.forEach(ids, (id) => store.retry([id]), { concurrency: 4 })
      ], { concurrency: "unbounded" })
      const [orphans] = yield* pg<{ n: number }>`
        SELECT count(*)::int AS n FROM ostinato.later l WHERE NOT EXISTS (SELECT FROM ostinato.job j WHERE j.id = l.job_id)`
      assert.strictEqual(orphans?.n, 0)
    }))

  it.effect("days that are made under two time zones at once are days of UTC, each once", () =>
    Effect.gen(function*() {
      const pg = yield* sql
      const ensure = (zone: string) =>
        pg.withTransaction(Effect.andThen(
          pg.unsafe(`SET LOCAL TimeZone = '${zone}'`),
          pg`SELECT ostinato.ensure_partitions(20)`
        )).pipe(Effect.retry({ times: 20 }))
      yield* Effect.all([ensure("Pacific/Kiritimati"), ensure("Pacific/Pago_Pago"), ensure("Asia/Kolkata")], {
        concurrency: "unbounded"
      })
      const rows = yield* pg<{ name: string; bounds: string; low: string; high: string }>`
        SELECT c.relname AS name, pg_get_expr(c.relpartbound, c.oid) AS bounds,
          ostinato.id_floor(to_date(right(c.relname, 8), 'YYYYMMDD')::timestamp AT TIME ZONE 'UTC')::text AS low,
          ostinato.id_floor((to_date(right(c.relname, 8), 'YYYYMMDD') + 1)::timestamp AT TIME ZONE 'UTC')::text AS high
        FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'ostinato.done'::regclass AND c.relname ~ '[0-9]{8}$'
          AND to_date(right(c.relname, 8), 'YYYYMMDD') >= (now() AT TIME ZONE 'UTC')::date`
      assert.lengthOf(rows, 21)
      for (const { bounds, high, low } of rows) {
        assert.strictEqual(bounds, `FOR VALUES FROM ('${low}') TO ('${high}')`)
      }
    }))

  it.effect("keys, mail and names that nobody refers to any more are removed", () =>
    Effect.gen(function*() {
      const store = yield* jobs.Store
      const pg = yield* sql
      yield* store.enqueue([jobs.job({ queue: "keyed", unique: jobs.unique("over", { withinMs: 1 }) })])
      const member = yield* jobs.member("old")
      yield* pg`INSERT INTO ostinato.node (worker_id, name, since) VALUES (${member.id}, 'old', now() - interval '1 year'),
        (1000001, 'gone', now() - interval '1 year'), (1000002, 'left', now())`
      yield* pg`INSERT INTO ostinato.control (worker_id, job_id, action) VALUES (${member.id}, 1, 'x'), (1000001, 1, 'x')`
      yield* store.prune({})
      assert.strictEqual(yield* count("uniq"), 0)
      const nodes = yield* pg<
        { name: string }
      >`SELECT name FROM ostinato.node WHERE name IN ('old', 'gone', 'left') ORDER BY 1`
      assert.deepStrictEqual(nodes.map(({ name }) => name), ["left", "old"])
      const mail = yield* pg<{ id: number }>`SELECT worker_id AS id FROM ostinato.control`
      assert.deepStrictEqual(mail.map(({ id }) => id), [member.id])
    }))
})

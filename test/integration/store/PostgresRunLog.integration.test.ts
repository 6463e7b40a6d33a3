import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { RunLog } from "ostinato/core/RunLog"
import * as Supervisor from "ostinato/core/Supervisor"
import { NextRunId } from "ostinato/core/TaskRun"
import * as PostgresRunLog from "ostinato/store/PostgresRunLog"
import * as RunTable from "../../../src/store/internal/RunTable.ts"
import * as TestDatabase from "../../contract/TestDatabase.ts"

const begin = Effect.gen(function*() {
  const log = yield* RunLog
  const id = yield* Effect.flatten(NextRunId)
  yield* log.begin({
    id,
    task: "lease.task",
    trigger: { kind: "code" },
    origin: { tenant: null, actor: null },
    executor: "here",
    status: "running",
    payload: null,
    traceId: null
  })
  return id
})

const ended = {
  status: "completed",
  attempts: 1,
  queueMs: 0,
  runMs: 1,
  output: null,
  failure: null,
  items: null,
  details: { attempts: [], logs: [] }
} as const

/** What another process sees that starts now. */
const elsewhere = <A, E>(work: Effect.Effect<A, E, RunLog>, options?: { readonly exclusive: boolean }) =>
  Effect.provide(work, Layer.provide(PostgresRunLog.layer(options), Supervisor.layer))

const statusOf = (id: string) => Effect.flatMap(RunLog, (log) => Effect.map(log.get(id), (run) => run?.status))

layer(
  Layer.provideMerge(
    Layer.provideMerge(PostgresRunLog.layer(), Supervisor.layer),
    TestDatabase.layer(PostgresRunLog.migrations)
  ),
  { excludeTestServices: true }
)("PostgresRunLog", (it) => {
  it.effect("leaves a run alone whose lease holds, and closes it as abandoned when the lease ran out", () =>
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      const id = yield* begin
      assert.strictEqual(yield* elsewhere(statusOf(id)), "running")
      yield* sql`UPDATE ostinato.run SET lease_until = now() - interval '1 second' WHERE id = ${id}::uuid`
      assert.strictEqual(yield* elsewhere(statusOf(id)), "abandoned")
    }))

  it.effect("a sweep passes over a run that somebody else has in hand, and closes the others", () =>
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      const held = yield* begin
      const other = yield* begin
      yield* sql`UPDATE ostinato.run SET lease_until = now() - interval '1 second' WHERE id = ANY(${[
        held,
        other
      ]}::uuid[])`
      yield* sql.withTransaction(Effect.gen(function*() {
        yield* sql`SELECT 1 FROM ostinato.run WHERE id = ${held}::uuid FOR UPDATE`
        assert.strictEqual(yield* elsewhere(statusOf(other)), "abandoned")
      }))
      assert.strictEqual(yield* elsewhere(statusOf(held)), "abandoned")
    }))

  it.effect("a sweep reads the runs that have not ended, however many have", () =>
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      yield* sql`
        INSERT INTO ostinato.run (id, task, trigger, status, host, pid, finished_at)
        SELECT gen_random_uuid(), 'swept', '{"kind":"code"}', 'completed', 'h', 1, now() FROM generate_series(1, 20000)`
      yield* sql`ANALYZE ostinato.run`
      const plan = yield* sql<Record<string, string>>`
        EXPLAIN ${RunTable.sweep(sql, sql("ostinato"), { mine: [], exclusive: false })}`
      const lines = plan.flatMap((row) => Object.values(row))
      assert.deepStrictEqual(lines.filter((line) => line.includes("Seq Scan")), [])
      yield* sql`DELETE FROM ostinato.run WHERE task = 'swept'`
    }))

  it.effect("does not let the late end of an abandoned run change it", () =>
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      const log = yield* RunLog
      const id = yield* begin
      yield* sql`UPDATE ostinato.run SET lease_until = now() - interval '1 second' WHERE id = ${id}::uuid`
      yield* elsewhere(Effect.void)
      assert.isFalse(yield* log.end(id, ended))
      assert.strictEqual(yield* statusOf(id), "abandoned")
    }))

  it.effect("closes at once what began before a server that this process started, and leaves alone what began since", () =>
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      const before = yield* begin
      const since = yield* begin
      yield* sql`
        UPDATE ostinato.run SET started_at = pg_postmaster_start_time() - interval '1 second' WHERE id = ${before}::uuid`
      assert.strictEqual(yield* elsewhere(statusOf(before)), "running")
      assert.strictEqual(yield* elsewhere(statusOf(before), { exclusive: true }), "abandoned")
      assert.strictEqual(yield* elsewhere(statusOf(since), { exclusive: true }), "running")
    }))

  it.effect("refuses typed when the table is gone", () =>
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      const log = yield* RunLog
      yield* sql`ALTER TABLE ostinato.run RENAME TO run_away`
      const error = yield* Effect.flip(log.list({}))
      assert.strictEqual(error._tag, "RunLogUnavailable")
      assert.include(error.message, "list runs")
      assert.include(error.message, "does not exist")
      yield* sql`ALTER TABLE ostinato.run_away RENAME TO run`
    }))
})

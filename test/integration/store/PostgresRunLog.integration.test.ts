// @effect-diagnostics strictEffectProvide:off -- a log is built anew for each node of a test
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/testing/TestClock"
import * as Dispatch from "ostinato/core/Dispatch"
import { RunLog } from "ostinato/core/RunLog"
import * as Supervisor from "ostinato/core/Supervisor"
import * as Task from "ostinato/core/Task"
import { TaskInterrupted } from "ostinato/core/TaskError"
import { Database } from "ostinato/store/Database"
import { Notifier } from "ostinato/store/Notifier"
import * as PostgresRunLog from "ostinato/store/PostgresRunLog"
import * as RunTable from "../../../src/store/internal/RunTable.ts"
import * as TestDatabase from "../../contract/TestDatabase.ts"
import { begin, ended } from "./aRun.ts"

/** What another process sees that starts now. */
const elsewhere = <A, E>(work: Effect.Effect<A, E, RunLog>, options?: { readonly exclusive: boolean }) =>
  Effect.provide(work, Layer.provide(PostgresRunLog.layer(options), Supervisor.layer))

const statusOf = (id: string) => Effect.flatMap(RunLog, (log) => Effect.map(log.get(id), (run) => run?.status))

/** A node with its own connections, whose time stands still: it renews no lease until its clock is moved. */
const node = Effect.fnUntraced(function*(name: string) {
  const { url } = yield* Database
  const database = yield* Layer.build(Database.layer({ url, directory: "/nonexistent", node: name }))
  const clock = yield* Layer.build(TestClock.layer())
  return Context.merge(Context.merge(database, clock), yield* Layer.build(Supervisor.layer))
})

/** A run that node `here` holds is cancelled by this one; `meanwhile` goes on until `here` knows. */
const cancelledElsewhere = Effect.fnUntraced(function*<R>(
  task: string,
  here: Context.Context<R | RunLog>,
  meanwhile: Effect.Effect<unknown>
) {
  const log = yield* RunLog
  const [begun, stopping, go] = [yield* Latch.make(), yield* Latch.make(), yield* Latch.make()]
  const Long = Task.fn(task, { grace: "1 hour" }, () =>
    Effect.gen(function*() {
      yield* Effect.addFinalizer(() => Effect.andThen(stopping.open, go.await))
      yield* begun.open
      return yield* Effect.never
    }))
  const run = yield* Dispatch.here(Long, {}, { kind: "code" }).pipe(
    Effect.flatMap((ref) => Effect.exit(ref.await)),
    Effect.provideContext(here),
    Effect.forkChild
  )
  yield* begun.await
  const [open] = yield* log.list({ task })
  const id = open?.id ?? assert.fail("the other node's run is not seen")
  const by = { actor: "ada", reason: "wrong branch" }
  assert.strictEqual(yield* log.cancel(id, by), "requested")
  yield* Effect.raceFirst(stopping.await, meanwhile)
  assert.strictEqual(yield* log.cancel(id, { actor: "bob", reason: null }), "already")
  assert.strictEqual((yield* log.get(id))?.status, "running", "its finalizers have not ended")
  yield* go.open
  assert.deepStrictEqual(
    yield* Fiber.join(run),
    Exit.fail(new TaskInterrupted({ task, reason: "cancelled by ada: wrong branch" }))
  )
  assert.deepInclude(yield* log.get(id), { status: "cancelled", cancellation: by })
  assert.strictEqual(yield* log.cancel(id, by), "ended")
})

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

  it.effect("D.9 a run on another node that listens is cancelled at once, without a renewal of its lease", () =>
    Effect.gen(function*() {
      const services = yield* node("listens")
      const here = yield* Layer.build(PostgresRunLog.layer().pipe(Layer.provideMerge(Notifier.layer()))).pipe(
        Effect.provideContext(services)
      )
      yield* Effect.repeat(Context.get(here, Notifier).state, {
        until: (state) => state === "listening",
        schedule: Schedule.spaced("5 millis")
      })
      yield* cancelledElsewhere("cancel.heard", Context.merge(services, here), Effect.never)
    }))

  it.effect("D.9 a run on another node that does not listen is cancelled with the next renewal of its lease", () =>
    Effect.gen(function*() {
      const services = yield* node("deaf")
      const log = yield* Effect.provideContext(Layer.build(PostgresRunLog.layer()), services)
      const time = Effect.repeat(
        Effect.provideContext(TestClock.adjust("5 seconds"), services),
        Schedule.spaced("5 millis")
      )
      yield* cancelledElsewhere("cancel.renewed", Context.merge(services, log), time)
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

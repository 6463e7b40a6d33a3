import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { Dispatch, Interceptor, MemoryRunLog, type PoolError, RunContext, RunLog, Task, TaskPool } from "ostinato"
import { type Line, logging, traced } from "../pipeline/observed.ts"

class Busy extends Schema.TaggedError<Busy>()("Busy", { seat: Schema.Int }) {}

class Db extends Context.Service<Db, string>()("ostinato/test/core/pool/Dispatch.test/Db") {}

const Visit = Task.make("pool.visit", {
  payload: { seconds: Schema.Int },
  success: Schema.Int,
  error: Busy
})
const VisitLive = Visit.toLayer(({ seconds }) =>
  seconds < 0 ? Effect.fail(new Busy({ seat: 7 })) : Effect.as(Effect.sleep(seconds * 1000), seconds)
)

const trigger = { kind: "code" } as const
const visit = (pool: TaskPool.TaskPool, seconds: number) => Dispatch.pool(pool)(Visit, { seconds }, trigger)

const record = (id: string) =>
  Effect.flatMap(RunLog.RunLog, (log) =>
    Effect.map(
      log.get(id),
      (run) => run ?? assert.fail("no such run")
    ))

const pools = (options: Partial<TaskPool.Options> = {}) =>
  TaskPool.make({ name: "lane", capacity: 1, drain: 0, ...options })

const turn = TestClock.adjust(0)

describe("Dispatch.pool", () => {
  it.effect("S0.36 a run waits, runs and ends in the log, with its queue time from the request on", () =>
    Effect.gen(function*() {
      const pool = yield* pools()
      const first = yield* visit(pool, 3)
      const second = yield* visit(pool, 4)
      yield* turn
      assert.deepInclude(yield* record(first.id), { status: "running", executor: "pool lane", task: "pool.visit" })
      assert.strictEqual((yield* record(second.id)).status, "waiting")
      assert.strictEqual(yield* second.status, "waiting")
      yield* TestClock.adjust("7 seconds")
      const value: number = yield* second.await
      assert.strictEqual(value, 4)
      assert.deepInclude(yield* record(second.id), {
        status: "completed",
        queueMs: 3000,
        runMs: 4000,
        attempts: 1,
        output: 4
      })
    }).pipe(Effect.provide([VisitLive, MemoryRunLog.layer()])))

  it.effect("it is a Dispatch, and the interceptors of whoever asks come along", () =>
    Effect.gen(function*() {
      const pool = yield* pools()
      const dispatch: Dispatch.Dispatch<
        typeof Visit,
        PoolError.PoolFull | PoolError.PoolClosed | RunLog.RunLogUnavailable,
        RunLog.RunLog | Task.Handler<"pool.visit">
      > = Dispatch.pool(pool)
      const seen: Array<string> = []
      const noting: Interceptor.Interceptor = (attempt, { task }) =>
        Effect.andThen(Effect.sync(() => seen.push(task)), attempt)
      const run = yield* Effect.provideService(dispatch(Visit, { seconds: 0 }, trigger), Interceptor.Interceptors, [
        noting
      ])
      yield* turn
      assert.strictEqual(yield* run.await, 0)
      assert.deepStrictEqual(seen, ["pool.visit"])
    }).pipe(Effect.provide([VisitLive, MemoryRunLog.layer()])))

  it.effect("its error keeps its type, and is recorded and told once", () =>
    Effect.gen(function*() {
      const lines: Array<Line> = []
      const pool = yield* logging(lines)(pools())
      const run = yield* visit(pool, -1)
      yield* turn
      const error = yield* Effect.flip(run.await)
      assert.isTrue(error._tag === "Busy" && error.seat === 7)
      assert.deepInclude(yield* record(run.id), { status: "failed" })
      assert.strictEqual(yield* run.status, "failed")
      assert.lengthOf(lines.filter(({ level }) => level === "Error" || level === "Warn"), 1)
      assert.deepInclude(yield* pool.figures, { failed: 1, completed: 0 })
    }).pipe(Effect.provide([VisitLive, MemoryRunLog.layer()])))

  it.effect("S2.12 a task without a timeout has that of the pool; one with its own keeps it", () =>
    Effect.gen(function*() {
      const pool = yield* pools({ capacity: 2 })
      const Patient = Task.fn("pool.patient", { timeout: "10 minutes" }, () => Effect.never)
      const usual = yield* visit(pool, 3600)
      const own = yield* Dispatch.pool(pool)(Patient, {}, trigger)
      yield* TestClock.adjust("5 minutes")
      assert.deepInclude(yield* Effect.flip(usual.await), { _tag: "TaskTimeout", timeoutMs: 300_000 })
      assert.deepInclude((yield* record(usual.id)).failure, { tag: "TaskTimeout" })
      assert.strictEqual(yield* own.status, "running")
      yield* TestClock.adjust("5 minutes")
      assert.deepInclude(yield* Effect.flip(own.await), { _tag: "TaskTimeout", timeoutMs: 600_000 })
    }).pipe(Effect.provide([VisitLive, MemoryRunLog.layer()])))

  it.effect("cancelling its handle cancels the run, running or waiting; the one that waits never begins", () =>
    Effect.gen(function*() {
      const pool = yield* pools()
      const running = yield* visit(pool, 60)
      const waiting = yield* visit(pool, 60)
      yield* turn
      assert.isTrue(yield* waiting.cancel)
      assert.isTrue(yield* running.cancel)
      assert.isFalse(yield* running.cancel)
      assert.deepInclude(yield* record(running.id), {
        status: "cancelled",
        attempts: 1,
        cancellation: { actor: "ada", reason: null }
      })
      assert.deepInclude(yield* record(waiting.id), {
        status: "cancelled",
        attempts: 0,
        cancellation: { actor: "ada", reason: null }
      })
      assert.strictEqual((yield* Effect.flip(waiting.await))._tag, "TaskInterrupted")
      assert.deepInclude(yield* Effect.flip(running.await), { reason: "cancelled by ada" })
      assert.deepInclude(yield* pool.figures, { running: 0, waiting: 0, interrupted: 2 })
    }).pipe(RunContext.within({ actor: "ada" }), Effect.provide([VisitLive, MemoryRunLog.layer()])))

  it.effect("a run that is cancelled in the log while it waits does not begin", () =>
    Effect.gen(function*() {
      const pool = yield* pools()
      let begun = 0
      const Begin = Task.fn("pool.begin", {}, () => Effect.sync(() => void (begun += 1)))
      yield* visit(pool, 5)
      const run = yield* Dispatch.pool(pool)(Begin, {}, trigger)
      const log = yield* RunLog.RunLog
      assert.strictEqual(yield* log.cancel(run.id, { actor: "ada", reason: "not needed" }), "requested")
      yield* TestClock.adjust("5 seconds")
      assert.deepInclude(yield* Effect.flip(run.await), { reason: "cancelled by ada: not needed" })
      assert.deepInclude(yield* record(run.id), { status: "cancelled", attempts: 0 })
      assert.strictEqual(begun, 0)
    }).pipe(Effect.provide([VisitLive, MemoryRunLog.layer()])))

  it.effect("S2.10 a run that never begins ends in the log: refused, dropped, cut off by a shutdown", () =>
    Effect.gen(function*() {
      const log = yield* RunLog.RunLog
      const full = yield* pools({ maxWaiting: "none", onFull: "reject" })
      yield* visit(full, 60)
      assert.strictEqual((yield* Effect.flip(visit(full, 60)))._tag, "PoolFull")
      const [refused] = yield* log.list({ limit: 1 })
      assert.deepInclude(refused, { status: "interrupted", attempts: 0 })
      assert.include(refused?.failure?.message, "pool lane is full")

      const dropping = yield* pools({ name: "dropping", maxWaiting: 1, onFull: "dropOldest" })
      yield* visit(dropping, 60)
      const dropped = yield* visit(dropping, 60)
      const kept = yield* visit(dropping, 60)
      yield* turn
      assert.include((yield* record(dropped.id)).failure?.message, "it gave way to newer work")
      const report = yield* dropping.shutdown({ drain: 0 })
      assert.deepStrictEqual(report, { completed: 0, interrupted: 2, abandoned: 0 })
      assert.include((yield* record(kept.id)).failure?.message, "pool dropping was shut down before it began")
      assert.lengthOf(yield* log.list({ status: "waiting" }), 0)
      assert.strictEqual((yield* Effect.flip(visit(dropping, 1)))._tag, "PoolClosed")
    }).pipe(Effect.provide([VisitLive, MemoryRunLog.layer()])))

  it.effect("who gives up waiting for room leaves an ended run", () =>
    Effect.gen(function*() {
      const log = yield* RunLog.RunLog
      const pool = yield* pools({ maxWaiting: "none" })
      yield* visit(pool, 60)
      const blocked = yield* Effect.forkChild(visit(pool, 60))
      yield* turn
      assert.deepInclude(yield* pool.figures, { blocked: 1 })
      yield* Fiber.interrupt(blocked)
      assert.deepInclude((yield* log.list({ limit: 1 }))[0], { status: "interrupted" })
      assert.deepInclude(yield* pool.figures, { blocked: 0, submitted: 1 })
    }).pipe(Effect.provide([VisitLive, MemoryRunLog.layer()])))

  it.effect("S2.69 a task that needs services has those of the pool; the same handlers run on whichever pool is there", () =>
    Effect.gen(function*() {
      const spans: Parameters<typeof traced>[0] = []
      const Query = Task.fn("pool.query", { success: Schema.String }, () => Effect.map(Db, (db) => db))
      const without = yield* pools()
      // @ts-expect-error -- this pool has no Db
      // @effect-diagnostics-next-line missingEffectContext:off
      assert.isFunction(() => Dispatch.pool(without)(Query, {}, trigger))
      const seen = yield* Effect.gen(function*() {
        const pool = yield* Effect.provideService(TaskPool.make<Db>({ name: "io", capacity: "io" }), Db, "the pool's")
        const run = yield* Dispatch.pool(pool)(Query, {}, trigger)
        const cpu = yield* TaskPool.make({ name: "cpu", capacity: "auto" })
        yield* Effect.flatMap(visit(cpu, 0), ({ id }) => record(id))
        return yield* run.await
      }).pipe(Effect.scoped, Effect.provideService(Db, "the submitter's transaction"), traced(spans))
      assert.strictEqual(seen, "the pool's")
      const where = spans.map(({ attributes, name }) => `${name}: ${String(attributes.get("ostinato.executor"))}`)
      assert.deepStrictEqual(where, ["run pool.query: pool io", "run pool.visit: pool cpu"])
    }).pipe(Effect.provide([VisitLive, MemoryRunLog.layer()])))
})

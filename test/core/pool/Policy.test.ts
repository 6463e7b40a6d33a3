import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as References from "effect/References"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { Executor, type PoolError, RunContext, Task, type TaskError, TaskPool } from "ostinato"

const turn = TestClock.adjust(0)

/** One slot, taken until the latch opens, and one place in the line, taken by `a`. */
const filled = (onFull: TaskPool.PoolPolicy) =>
  Effect.gen(function*() {
    const pool = yield* TaskPool.make({ name: onFull, capacity: 1, maxWaiting: 1, onFull, drain: 0 })
    const latch = yield* Latch.make()
    const begun: Array<string> = []
    const work = (name: string) => Effect.sync(() => begun.push(name))
    yield* pool.submit(latch.await)
    const a = yield* pool.submit(work("a"))
    yield* turn
    return { pool, latch, begun, work, a }
  })

describe("what a full pool does", () => {
  it.effect("S2.19 backpressure: who submits waits for room, in order", () =>
    Effect.gen(function*() {
      const { begun, latch, pool, work } = yield* filled("backpressure")
      const fibers = yield* Effect.forEach(["b", "c", "d"], (name) => Effect.forkChild(pool.submit(work(name))))
      yield* turn
      assert.deepInclude(yield* pool.figures, { waiting: 1, blocked: 3, submitted: 2 })
      yield* Fiber.interrupt(fibers[1]!)
      assert.deepInclude(yield* pool.figures, { blocked: 2 })
      yield* latch.open
      yield* turn
      assert.deepStrictEqual(begun, ["a", "b", "d"])
      yield* Fiber.join(fibers[2]!)
      assert.deepInclude(yield* pool.figures, { blocked: 0, submitted: 4, completed: 4 })
    }))

  it.effect("S2.19 reject: who submits gets PoolFull", () =>
    Effect.gen(function*() {
      const { begun, latch, pool, work } = yield* filled("reject")
      assert.strictEqual((yield* Effect.flip(pool.submit(work("b"))))._tag, "PoolFull")
      yield* latch.open
      yield* turn
      assert.deepStrictEqual(begun, ["a"])
      assert.deepInclude(yield* pool.figures, { submitted: 3, completed: 2, rejected: 1 })
    }))

  it.effect("S2.19 dropOldest: the oldest of the lowest priority gives way, never to a lower one", () =>
    Effect.gen(function*() {
      const { a, begun, latch, pool, work } = yield* filled("dropOldest")
      const b = yield* pool.submit(work("b"), { name: "b", priority: "high" })
      assert.deepInclude(yield* Effect.flip(a.await), {
        _tag: "TaskInterrupted",
        reason: "pool dropOldest was full, and it gave way to newer work"
      })
      assert.strictEqual((yield* Effect.flip(pool.submit(work("c"))))._tag, "PoolFull")
      yield* latch.open
      yield* b.await
      assert.deepStrictEqual(begun, ["b"])
      assert.deepInclude(yield* pool.figures, { submitted: 4, completed: 2, rejected: 1, dropped: 1, interrupted: 0 })
    }))

  it.effect("S2.19 callerRuns: it runs at once in the time of whoever submits, and in no slot", () =>
    Effect.gen(function*() {
      const { begun, latch, pool } = yield* filled("callerRuns")
      const fiber = yield* Effect.forkChild(pool.submit(Effect.as(Effect.sleep("1 second"), "b")))
      yield* turn
      assert.deepInclude(yield* pool.figures, { running: 1, waiting: 1, outside: 1 })
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("1 second")
      const handle = yield* Fiber.join(fiber)
      assert.strictEqual(yield* handle.status, "completed")
      assert.strictEqual(yield* handle.await, "b")
      assert.deepStrictEqual(begun, [])
      const given = yield* Effect.forkChild(pool.submit(Effect.never))
      yield* turn
      yield* Fiber.interrupt(given)
      assert.deepInclude(yield* pool.figures, { outside: 0, completed: 1, interrupted: 1 })
      yield* latch.open
    }))

  it.effect("S3.33 a million submissions to a bounded line: it never grows beyond its bound", () =>
    Effect.gen(function*() {
      const { pool } = yield* filled("reject")
      let refused = 0
      const work = Effect.void
      for (let n = 0; n < 1_000_000; n++) {
        const tried = pool.trySubmit(work)
        if (Result.isFailure(tried)) refused += 1
      }
      assert.strictEqual(refused, 1_000_000)
      assert.deepInclude(yield* pool.figures, { waiting: 1, rejected: 1_000_000, submitted: 1_000_002 })
      yield* pool.shutdown({ drain: 0 })
    }))

  it.effect("D.3 trySubmit gives its failure as a value, at once and with an exact type", () =>
    Effect.gen(function*() {
      const { latch, pool, work } = yield* filled("backpressure")
      const tried: Result.Result<
        TaskPool.Handle<number, never>,
        PoolError.PoolFull | PoolError.PoolClosed
      > = pool.trySubmit(work("b"))
      assert.isTrue(Result.isFailure(tried) && tried.failure._tag === "PoolFull")
      yield* latch.open
      yield* turn
      const handle = Result.getOrThrow(pool.trySubmit(() => "from plain code"))
      const value: Effect.Effect<string, TaskError.TaskTimeout | TaskError.TaskInterrupted> = handle.await
      assert.strictEqual(yield* value, "from plain code")
      // @ts-expect-error -- the value is a string
      const wrong: Effect.Effect<number, unknown> = handle.await
      assert.isDefined(wrong)
    }))
})

describe("whose turn it is", () => {
  it.effect("higher priorities first, first in first out within one, however long it waits where ageing is off", () =>
    Effect.gen(function*() {
      const pool = yield* TaskPool.make({ name: "ordered", capacity: 1, ageing: Infinity })
      const latch = yield* Latch.make()
      const begun: Array<string> = []
      yield* pool.submit(latch.await)
      for (const [index, priority] of (["low", "normal", "high", "low", "normal", "high"] as const).entries()) {
        yield* pool.submit(Effect.sync(() => begun.push(`${priority} ${index}`)), { priority })
        yield* TestClock.adjust("20 seconds")
      }
      yield* latch.open
      yield* turn
      assert.deepStrictEqual(begun, ["high 2", "high 5", "normal 1", "normal 4", "low 0", "low 3"])
    }))

  it.effect("who has waited long enough overtakes: a stream of urgent work starves nobody", () =>
    Effect.gen(function*() {
      const pool = yield* TaskPool.make({ name: "aged", capacity: 1, ageing: "10 seconds", drain: 0 })
      const urgent = pool.submit(Effect.sleep("1 second"), { priority: "high" })
      for (let n = 0; n < 5; n++) yield* urgent
      const low = yield* pool.submit(Effect.void, { priority: "low" })
      const waited: Array<string> = []
      for (let second = 0; second < 30; second++) {
        yield* urgent
        yield* TestClock.adjust("1 second")
        waited.push(yield* low.status)
      }
      assert.strictEqual(waited.indexOf("completed"), 25)
    }))
})

class Db extends Context.Service<Db, { readonly name: string }>()("ostinato/test/core/pool/Policy.test/Db") {}

class Gone extends Schema.TaggedError<Gone>()("Gone", {}) {}

describe("what a pool runs", () => {
  it.effect("S0.32 S2.21 a function, an async one, one that gives an Effect, an Effect, a task", () =>
    Effect.gen(function*() {
      const pool = yield* TaskPool.make({ name: "forms", capacity: 2 })
      const Greet = Task.fn(
        "forms.greet",
        { payload: { name: Schema.String }, success: Schema.String },
        ({ name }) => Effect.succeed(`Hello ${name}`)
      )
      assert.deepStrictEqual([
        yield* pool.run(() => 1),
        yield* pool.run(async () => await Promise.resolve(2)),
        yield* pool.run(() => Effect.succeed(3)),
        yield* pool.run(Effect.succeed(4)),
        yield* pool.run(TaskPool.call(Greet, { name: "Ada" }))
      ], [1, 2, 3, 4, "Hello Ada"])
    }))

  it.effect("S0.36 a task with a handler Layer: the handler is called once, its error keeps its type", () =>
    Effect.gen(function*() {
      let calls = 0
      const Fetch = Task.make("forms.fetch", { payload: { id: Schema.Int }, success: Schema.String, error: Gone })
      const FetchLive = Fetch.toLayer(({ id }) => {
        calls += 1
        return id === 7 ? Effect.fail(new Gone()) : Effect.succeed(`item ${id}`)
      })
      yield* Effect.gen(function*() {
        const pool = yield* TaskPool.make({ name: "forms", capacity: 1 })
        const handle: TaskPool.Handle<string, Gone | TaskError.TaskTimeout> = yield* pool.submit(
          TaskPool.call(Fetch, { id: 1 })
        )
        assert.strictEqual(yield* handle.await, "item 1")
        assert.strictEqual(yield* handle.await, "item 1")
        assert.strictEqual(calls, 1)
        assert.strictEqual((yield* Effect.flip(pool.run(TaskPool.call(Fetch, { id: 7 }))))._tag, "Gone")
      }).pipe(Effect.provide(FetchLive))
    }))

  it.effect("it runs with the services of the pool; of whoever submits only span, annotations and origin come along", () =>
    Effect.gen(function*() {
      const pool = yield* Effect.provideService(
        TaskPool.make<Db>({ name: "contexts", capacity: 1 }),
        Db,
        { name: "the pool's" }
      )
      const work = Effect.gen(function*() {
        const { actor } = yield* RunContext.RunContext
        const annotations = yield* References.CurrentLogAnnotations
        return { db: (yield* Db).name, actor, annotations }
      })
      const seen = yield* pool.run(work).pipe(
        Effect.provideService(Db, { name: "the submitter's transaction" }),
        Effect.annotateLogs({ request: "r1" }),
        RunContext.within({ actor: "ada" })
      )
      assert.deepStrictEqual(seen, { db: "the pool's", actor: "ada", annotations: { request: "r1" } })
    }))

  it.effect("a pool is an Executor: outcomes keep their type, what it adds is said by its name", () =>
    Effect.gen(function*() {
      const pool = yield* TaskPool.make({ name: "lane", capacity: 1, maxWaiting: "none", onFull: "reject" })
      const executor: Executor.Executor = pool
      assert.strictEqual(yield* Executor.run(executor, "stage", Effect.succeed(1)), 1)
      assert.strictEqual((yield* Effect.flip(Executor.run(executor, "stage", Effect.fail(new Gone()))))._tag, "Gone")
      yield* pool.submit(Effect.never)
      const error = yield* Effect.flip(Executor.run(executor, "stage", Effect.void))
      assert.deepInclude(error, { _tag: "ExecutorFailed", executor: "lane", reason: "PoolFull" })
      yield* pool.shutdown({ drain: 0 })
    }))
})

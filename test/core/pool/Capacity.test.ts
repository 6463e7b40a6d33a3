import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Result from "effect/Result"
import * as TestClock from "effect/testing/TestClock"
import { TaskPool } from "ostinato"

const figures = (pool: TaskPool.TaskPool, ...keys: ReadonlyArray<keyof TaskPool.Figures>) =>
  Effect.map(pool.figures, (all) => keys.map((key) => all[key]))

const turn = TestClock.adjust(0)

describe("the slots of a TaskPool", () => {
  it.effect("S2.6 a thousand submissions on ten slots: never more than ten at once, and all end", () =>
    Effect.gen(function*() {
      const pool = yield* TaskPool.make({ name: "ten", capacity: 10 })
      let running = 0
      let most = 0
      const work = Effect.gen(function*() {
        running += 1
        most = Math.max(most, running)
        yield* Effect.sleep("1 second")
        running -= 1
      })
      const handles = yield* Effect.forEach(Array.from({ length: 1000 }), () => pool.submit(work))
      for (let tick = 0; tick < 100; tick++) {
        yield* TestClock.adjust("1 second")
        const [now = 0, free = 0] = yield* figures(pool, "running", "free")
        assert.isAtMost(now, 10)
        assert.strictEqual(now + free, 10)
      }
      yield* Effect.forEach(handles, (handle) => handle.await)
      assert.strictEqual(most, 10)
      assert.deepStrictEqual(yield* figures(pool, "completed", "running", "waiting"), [1000, 0, 0])
    }))

  it.effect("S2.9 its figures: idle, one at work, seven on five slots", () =>
    Effect.gen(function*() {
      const pool = yield* TaskPool.make({ name: "five", capacity: 5 })
      const latch = yield* Latch.make()
      const shown = figures(pool, "capacity", "free", "running", "waiting")
      assert.deepStrictEqual(yield* shown, [5, 5, 0, 0])
      yield* pool.submit(latch.await)
      yield* turn
      assert.deepStrictEqual(yield* shown, [5, 4, 1, 0])
      for (let n = 0; n < 6; n++) yield* pool.submit(latch.await)
      assert.deepStrictEqual(yield* shown, [5, 0, 5, 2])
      yield* turn
      assert.deepStrictEqual(yield* shown, [5, 0, 5, 2])
      yield* latch.open
      yield* turn
      assert.deepStrictEqual(yield* shown, [5, 5, 0, 0])
    }))

  it.effect("S2.7 S2.18 one slot and a line of two: the fourth is refused with PoolFull; a line of 0 has no bound", () =>
    Effect.gen(function*() {
      const pool = yield* TaskPool.make({ name: "small", capacity: 1, maxWaiting: 2, onFull: "reject" })
      for (let n = 0; n < 3; n++) yield* pool.submit(Effect.never)
      const error = yield* Effect.flip(pool.submit(Effect.never))
      assert.deepInclude(error, { _tag: "PoolFull", pool: "small", capacity: 1, waiting: 2 })
      assert.include(error.message, "pool small is full: 1 run and 2 wait")
      const endless = yield* TaskPool.make({ name: "endless", capacity: 1, maxWaiting: 0, onFull: "reject" })
      for (let n = 0; n < 20_000; n++) yield* endless.submit(Effect.never)
      assert.deepStrictEqual(yield* figures(endless, "running", "waiting", "rejected"), [1, 19_999, 0])
      yield* Effect.all([pool, endless].map(({ shutdown }) => shutdown({ drain: 0 })))
    }))

  it.effect("ten thousand slots and no line: the next submission meets the policy", () =>
    Effect.gen(function*() {
      const pool = yield* TaskPool.make({ name: "events", capacity: 10_000, maxWaiting: "none", onFull: "reject" })
      for (let n = 0; n < 10_000; n++) yield* pool.submit(Effect.never)
      assert.strictEqual((yield* Effect.flip(pool.submit(Effect.never)))._tag, "PoolFull")
      assert.deepStrictEqual(yield* figures(pool, "running", "waiting", "rejected"), [10_000, 0, 1])
      yield* pool.shutdown({ drain: 0 })
    }))

  it.effect("S3.17 a hundred tasks on as many slots as cores: spread over all of them, none run twice", () =>
    Effect.gen(function*() {
      const pool = yield* TaskPool.make({ name: "cores", capacity: "auto", cores: 8 })
      const runs = new Map<number, number>()
      let running = 0
      const most: Array<number> = []
      const work = (n: number) =>
        Effect.gen(function*() {
          runs.set(n, (runs.get(n) ?? 0) + 1)
          most.push(running += 1)
          yield* Effect.sleep(n % 7)
          running -= 1
        })
      const all = yield* Effect.forkChild(
        Effect.forEach(Array.from({ length: 100 }, (_, n) => n), (n) => pool.run(work(n)), { concurrency: "unbounded" })
      )
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(all)
      assert.strictEqual(Math.max(...most), 8)
      assert.deepStrictEqual(Array.from(runs.values()), Array(100).fill(1))
    }))

  it.effect("S0.33 S3.19 synchronous work gives way: the event loop turns, and figures answer, before the line is empty", () =>
    Effect.gen(function*() {
      const pool = yield* TaskPool.make({ name: "busy", capacity: 2, maxWaiting: 0 })
      const handles = Array.from({ length: 20_000 }, () => Result.getOrThrow(pool.trySubmit(() => {})))
      const { completed, waiting } = yield* Effect.callback<TaskPool.Figures>((resume) => {
        setImmediate(() => resume(pool.figures))
      })
      assert.isBelow(completed, 20_000)
      assert.isAbove(waiting, 0)
      yield* Effect.forEach(handles, (handle) => handle.await)
      assert.deepInclude(yield* pool.figures, { completed: 20_000, running: 0 })
    }))

  it.effect("S2.69 auto counts the cores, at least two; io is for work that waits", () =>
    Effect.gen(function*() {
      const capacity = (capacity: TaskPool.Capacity, cores: number) =>
        Effect.flatMap(
          TaskPool.make({ name: "sized", capacity, cores }),
          (pool) => Effect.map(pool.figures, ({ capacity }) => capacity)
        )
      assert.deepStrictEqual(
        [yield* capacity("auto", 8), yield* capacity("auto", 1), yield* capacity("io", 8)],
        [8, 2, 64]
      )
    }))

  for (const capacity of [0, -5, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    it.effect(`a capacity of ${capacity} is refused in words`, () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(TaskPool.make({ name: "odd", capacity }))
        assert.include(error.message, `pool odd cannot be made: capacity is ${capacity}: give a whole number from 1 on`)
        const line = yield* Effect.flip(TaskPool.make({ name: "odd", capacity: 1, maxWaiting: -1 }))
        assert.strictEqual(line.option, "maxWaiting")
      }))
  }

  it.effect("resizes while it runs: more begin at once, fewer when what runs has ended", () =>
    Effect.gen(function*() {
      const pool = yield* TaskPool.make({ name: "elastic", capacity: 2 })
      const shown = figures(pool, "capacity", "running", "free", "waiting")
      for (let n = 0; n < 6; n++) yield* pool.submit(Effect.sleep(`${n + 1} minutes`))
      yield* pool.resize(4)
      yield* turn
      assert.deepStrictEqual(yield* shown, [4, 4, 0, 2])
      yield* pool.resize(1)
      assert.deepStrictEqual(yield* shown, [4, 4, 0, 2])
      yield* TestClock.adjust("3 minutes")
      assert.deepStrictEqual(yield* shown, [1, 1, 0, 2])
      assert.strictEqual((yield* Effect.flip(pool.resize(0)))._tag, "PoolInvalid")
      yield* pool.shutdown({ drain: 0 })
    }))

  it.effect("S2.22 it is shut down with its scope, also as a service", () =>
    Effect.gen(function*() {
      class Downloads
        extends Context.Service<Downloads, TaskPool.TaskPool>()("ostinato/test/core/pool/Capacity.test/Downloads")
      {}
      const kept = yield* Effect.gen(function*() {
        const pool = yield* Downloads
        const handle = yield* pool.submit(Effect.sleep("2 seconds"))
        return { pool, handle }
      }).pipe(
        Effect.provide(TaskPool.layer(Downloads, { name: "downloads", capacity: 1 })),
        Effect.forkChild,
        Effect.tap(() => TestClock.adjust("2 seconds")),
        Effect.flatMap(Fiber.join)
      )
      assert.strictEqual(yield* kept.handle.status, "completed")
      const error = yield* Effect.flip(kept.pool.submit(Effect.void))
      assert.deepInclude(error, { _tag: "PoolClosed", pool: "downloads" })
      assert.strictEqual((yield* Effect.flip(kept.pool.start))._tag, "PoolClosed")
      const tried = kept.pool.trySubmit(Effect.void)
      assert.isTrue(Result.isFailure(tried) && tried.failure._tag === "PoolClosed")
    }))
})

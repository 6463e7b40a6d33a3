import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as TestClock from "effect/testing/TestClock"
import { TaskPool } from "ostinato"

const turn = TestClock.adjust(0)

describe("the shutdown of a TaskPool", () => {
  it.effect("S2.10 S3.20 what runs and what waits ends, and meanwhile nothing is taken", () =>
    Effect.gen(function*() {
      const pool = yield* TaskPool.make({ name: "draining", capacity: 2 })
      const handles = yield* Effect.forEach([1, 2, 3, 4], () => pool.submit(Effect.sleep("1 second")))
      const closing = yield* Effect.forkChild(pool.shutdown({ drain: "5 seconds" }))
      yield* turn
      assert.strictEqual((yield* Effect.flip(pool.submit(Effect.void)))._tag, "PoolClosed")
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(yield* Fiber.join(closing), { completed: 4, interrupted: 0, abandoned: 0 })
      assert.deepStrictEqual(yield* Effect.forEach(handles, ({ status }) => status), Array(4).fill("completed"))
    }))

  it.effect("S0.15 S2.10 a budget of 100 ms: a task of 10 s is interrupted then, its finalizer runs, what waited never begins", () =>
    Effect.gen(function*() {
      const pool = yield* TaskPool.make({ name: "draining", capacity: 2 })
      const seen: Array<string> = []
      const slow = Effect.onInterrupt(Effect.sleep("10 seconds"), () => Effect.sync(() => seen.push("finalized")))
      const quick = yield* pool.submit(Effect.sleep("50 millis"))
      const handle = yield* pool.submit(slow, { name: "slow" })
      const next = yield* pool.submit(slow)
      const never = yield* pool.submit(Effect.sync(() => seen.push("begun")))
      const closing = yield* Effect.forkChild(pool.shutdown({ drain: "100 millis", grace: "1 second" }))
      yield* TestClock.adjust("99 millis")
      assert.deepStrictEqual(seen, [])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(yield* Fiber.join(closing), { completed: 1, interrupted: 3, abandoned: 0 })
      assert.deepStrictEqual(seen, ["finalized", "finalized"])
      assert.strictEqual(yield* quick.status, "completed")
      assert.deepInclude(yield* Effect.flip(handle.await), {
        _tag: "TaskInterrupted",
        task: "slow",
        reason: "pool draining was shut down"
      })
      assert.deepInclude(yield* Effect.flip(never.await), { reason: "pool draining was shut down before it began" })
      assert.strictEqual(yield* next.status, "interrupted")
    }))

  it.effect("S2.10 it takes drain and grace, no longer, whatever the work does", () =>
    Effect.gen(function*() {
      const pool = yield* TaskPool.make({ name: "stuck", capacity: 2 })
      yield* pool.submit(Effect.uninterruptible(Effect.sleep("1 hour")))
      yield* pool.submit(Effect.ensuring(Effect.never, Effect.sleep("1 second")))
      const closing = yield* Effect.forkChild(pool.shutdown({ drain: "5 seconds", grace: "2 seconds" }))
      yield* TestClock.adjust("6999 millis")
      assert.isUndefined(closing.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(yield* Fiber.join(closing), { completed: 0, interrupted: 1, abandoned: 1 })
      yield* TestClock.adjust("1 hour")
      assert.deepInclude(yield* pool.figures, { running: 0, abandoned: 1, interrupted: 2 })
    }))

  it.effect("a second shutdown waits for the first; an interrupted one goes on to its end", () =>
    Effect.gen(function*() {
      const pool = yield* TaskPool.make({ name: "twice", capacity: 1 })
      yield* pool.submit(Effect.never)
      const first = yield* Effect.forkChild(pool.shutdown({ drain: "1 second" }))
      yield* turn
      const second = yield* Effect.forkChild(pool.shutdown())
      const interrupting = yield* Effect.forkChild(Fiber.interrupt(first))
      yield* turn
      assert.isUndefined(second.pollUnsafe())
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* Fiber.join(second), { completed: 0, interrupted: 0, abandoned: 0 })
      yield* Fiber.join(interrupting)
      assert.deepInclude(yield* pool.figures, { running: 0, interrupted: 1 })
    }))

  it.effect("who waits for room when it closes is told so", () =>
    Effect.gen(function*() {
      const pool = yield* TaskPool.make({ name: "pressed", capacity: 1, maxWaiting: 1 })
      yield* pool.submit(Effect.never)
      yield* pool.submit(Effect.never)
      const blocked = yield* Effect.forkChild(Effect.flip(pool.submit(Effect.never)))
      yield* turn
      assert.strictEqual((yield* pool.figures).blocked, 1)
      yield* pool.shutdown({ drain: 0 })
      assert.strictEqual((yield* Fiber.join(blocked))._tag, "PoolClosed")
      assert.deepInclude(yield* pool.figures, { blocked: 0, submitted: 2 })
    }))

  it.effect("S0.52 it starts again, a hundred times over, and leaves nothing behind", () =>
    Effect.gen(function*() {
      const pool = yield* TaskPool.make({ name: "again", capacity: 2 })
      for (let cycle = 0; cycle < 100; cycle++) {
        const quick = yield* pool.submit(Effect.succeed(cycle))
        yield* pool.submit(Effect.never, { timeout: "1 minute" })
        yield* turn
        assert.strictEqual(yield* quick.await, cycle)
        assert.deepStrictEqual(yield* pool.shutdown({ drain: 0 }), { completed: 0, interrupted: 1, abandoned: 0 })
        assert.strictEqual((yield* Effect.flip(pool.submit(Effect.void)))._tag, "PoolClosed")
        yield* pool.start
      }
      // a timer left behind would find its submission and count it once more
      yield* TestClock.adjust("1 hour")
      assert.deepInclude(yield* pool.figures, { running: 0, waiting: 0, completed: 100, interrupted: 100, failed: 0 })
    }))

  it.effect("S3.21 S3.22 at a thousand moments of work, line and retry delay it ends in time, and finalizers run once", () =>
    Effect.gen(function*() {
      for (let seed = 0; seed < 1000; seed++) {
        yield* Effect.gen(function*() {
          const capacity = yield* Random.nextIntBetween(1, 4)
          const pool = yield* TaskPool.make({ name: `timing ${seed}`, capacity, maxWaiting: 4 })
          let open = 0
          const held = Effect.acquireRelease(Effect.sync(() => open += 1), () => Effect.sync(() => open -= 1))
          const work = Effect.flatMap(
            Random.nextIntBetween(0, 20),
            (ms) =>
              Effect.scoped(
                Effect.andThen(
                  held,
                  Effect.andThen(Effect.sleep(ms), ms % 3 === 0 ? Effect.fail("again") : Effect.void)
                )
              )
          )
          const submitting = yield* Effect.forkChild(
            Effect.forEach(
              Array(12),
              () => Effect.ignore(pool.submit(Effect.retry(work, { times: 3 }).pipe(Effect.delay(ms(seed)))))
            )
          )
          yield* TestClock.adjust(yield* Random.nextIntBetween(0, 40))
          const closing = yield* Effect.forkChild(pool.shutdown({ drain: seed % 15, grace: 10 }))
          yield* TestClock.adjust((seed % 15) + 10)
          const report = yield* Fiber.join(closing)
          assert.strictEqual(report.abandoned, 0)
          assert.strictEqual(open, 0)
          assert.deepInclude(yield* pool.figures, { running: 0, waiting: 0, blocked: 0 })
          assert.isTrue(Exit.isSuccess(yield* Fiber.await(submitting)))
        }).pipe(Effect.scoped, Random.withSeed(seed))
      }
    }))
})

const ms = (seed: number) => seed % 7

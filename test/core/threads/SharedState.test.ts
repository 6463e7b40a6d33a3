import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { SharedState, ThreadPool } from "ostinato"
import * as tasks from "./tasks.ts"

describe("SharedState", () => {
  it.live("S0.45 10,000 increments that wait in between, from fibers on two threads at once, end at 10,000; the naive ones do not", () =>
    Effect.scoped(Effect.gen(function*() {
      const pool = yield* ThreadPool.make({ capacity: 2 })
      const gate = tasks.makeGate()
      const naive = new SharedArrayBuffer(4)
      const state = SharedState.make({ other: 1.5, count: 0 })
      const half = pool.run(tasks.Increment, { gate: gate.buffer, state, naive, times: 5000 })
      yield* Effect.all([half, half], { concurrency: 2 })
      assert.deepStrictEqual(SharedState.snapshot(state), { other: 1.5, count: 10_000 })
      assert.isBelow(Atomics.load(new Int32Array(naive), 0), 10_000)
    })))

  it.effect("S0.45 a change that was overtaken begins again with the new number", () =>
    Effect.gen(function*() {
      const state = SharedState.make({ count: 0 })
      const seen: Array<number> = []
      const held = yield* Deferred.make<void>()
      const slow = yield* Effect.forkChild(
        SharedState.updateEffect(state, "count", (count) => {
          seen.push(count)
          return Effect.as(Deferred.await(held), count + 1)
        }),
        { startImmediately: true }
      )
      assert.strictEqual(yield* SharedState.update(state, "count", (count) => count + 10), 10)
      yield* Deferred.succeed(held, undefined)
      assert.strictEqual(yield* Fiber.join(slow), 11)
      assert.deepStrictEqual(seen, [0, 10])
      assert.strictEqual(yield* SharedState.get(state, "count"), 11)
    }))

  it.effect("S0.45 a change that waits holds nobody up, and one that is interrupted or fails changes nothing", () =>
    Effect.gen(function*() {
      const state = SharedState.make({ count: 3 })
      const never = yield* Effect.forkChild(SharedState.updateEffect(state, "count", () => Effect.never), {
        startImmediately: true
      })
      assert.strictEqual(yield* SharedState.updateEffect(state, "count", (count) => Effect.succeed(count * 2)), 6)
      yield* Fiber.interrupt(never)
      assert.strictEqual(yield* Effect.flip(SharedState.updateEffect(state, "count", () => Effect.fail("no"))), "no")
      assert.strictEqual(yield* SharedState.get(state, "count"), 6)
    }))
})

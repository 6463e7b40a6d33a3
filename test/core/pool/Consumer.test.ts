import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Stream from "effect/Stream"
import v8 from "node:v8"
import vm from "node:vm"
import { TaskPool } from "ostinato"

// what is left after a collection
v8.setFlagsFromString("--expose-gc")
const collect = vm.runInNewContext("gc")
const heap = () => {
  collect()
  return process.memoryUsage().heapUsed
}

const timers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length

describe("TaskPool behind a consumer", () => {
  it.effect("S2.76 a backlog of 100,000 is taken no faster than it is worked off: never more than the line and the slots hold", () =>
    Effect.gen(function*() {
      const pool = yield* TaskPool.make({ name: "consumer", capacity: 10, maxWaiting: 20, onFull: "backpressure" })
      const count = { taken: 0, done: 0, most: 0 }
      const before = heap()
      let grown = 0
      const work = Effect.andThen(Effect.yieldNow, Effect.sync(() => void (count.done += 1)))
      // a broker hands over the next message when the one before it was accepted
      yield* Stream.runForEach(Stream.range(1, 100_000), () =>
        Effect.suspend(() => {
          count.taken += 1
          count.most = Math.max(count.most, count.taken - count.done)
          if (count.taken === 50_000) grown = heap() - before
          return pool.submit(work)
        }))
      yield* pool.shutdown()
      assert.strictEqual(count.done, 100_000)
      assert.isAtMost(count.most, 31)
      assert.isAtLeast(count.most, 30)
      // when half of the backlog has passed: a kilobyte kept of each would be as much
      assert.isBelow(grown, 50 * 2 ** 20)
    }))

  it.live("S3.18 work starts because it was submitted, not because somebody looked: no timer runs while a pool waits", () =>
    Effect.gen(function*() {
      const before = timers()
      const pool = yield* TaskPool.make({ name: "idle", capacity: 2, drain: 0 })
      const begun = yield* Latch.make()
      yield* pool.run(begun.open)
      yield* begun.await
      assert.strictEqual(timers(), before)
    }))

  it.effect("what waited when the pool ended does not come back when it starts again", () =>
    Effect.gen(function*() {
      const pool = yield* TaskPool.make({ name: "volatile", capacity: 1, drain: 0 })
      const ran: Array<string> = []
      yield* pool.submit(Effect.never)
      const waiting = yield* pool.submit(Effect.sync(() => ran.push("waited")))
      yield* pool.shutdown({ drain: 0 })
      assert.isTrue(Exit.isFailure(yield* Effect.exit(waiting.await)))
      yield* pool.start
      yield* pool.run(Effect.sync(() => ran.push("new")))
      assert.deepStrictEqual(ran, ["new"])
      assert.deepInclude(yield* pool.figures, { running: 0, waiting: 0 })
    }))
})

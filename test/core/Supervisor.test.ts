import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/testing/TestClock"
import { Supervisor } from "ostinato"

describe("Supervisor", () => {
  const every = Schedule.spaced("1 second")

  it.effect("restarts a loop that failed or died, and reports the cause each time", () => {
    const reported: Array<string> = []
    const logger = Logger.make(({ message }) => void reported.push(String(message)))
    let starts = 0
    const loop = Effect.suspend(() => {
      starts += 1
      return starts === 1 ? Effect.fail("lost") : starts === 2 ? Effect.die("broken") : Effect.never
    })
    return Effect.gen(function*() {
      const supervisor = yield* Supervisor.Supervisor
      yield* supervisor.start("listener", loop, { restart: every })
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(starts, 3)
      const [status] = yield* supervisor.status
      assert.deepStrictEqual([status?.name, status?.state, status?.failures], ["listener", "running", 2])
      assert.strictEqual(status?.lastFailure?.message, "broken")
      assert.deepStrictEqual(reported, [
        "listener stopped and will be restarted",
        "listener stopped 2 times in a row: broken"
      ])
    }).pipe(Effect.scoped, Effect.provide([Supervisor.layer, Logger.layer([logger])]))
  })

  it.effect("names a loop as failed when its restarts are used up", () =>
    Effect.gen(function*() {
      const supervisor = yield* Supervisor.Supervisor
      yield* supervisor.start("relay", Effect.fail("gone"), { restart: Schedule.upTo(every, { times: 2 }) })
      yield* TestClock.adjust("1 minute")
      const [status] = yield* supervisor.status
      assert.deepStrictEqual([status?.name, status?.state, status?.failures], ["relay", "failed", 3])
    }).pipe(Effect.scoped, Effect.provide([Supervisor.layer, Logger.layer([])])))

  it.effect("counts failures from anew once a loop has run for a minute, and reports a long series sparsely", () => {
    const reported: Array<string> = []
    const logger = Logger.make(({ message }) => void reported.push(String(message)))
    let lasting = 0
    return Effect.gen(function*() {
      const supervisor = yield* Supervisor.Supervisor
      const loop = Effect.suspend(() => Effect.andThen(Effect.sleep(lasting), Effect.fail("away")))
      yield* supervisor.start("loop", loop, { restart: every })
      yield* TestClock.adjust("40 seconds")
      assert.isAtLeast((yield* supervisor.status)[0]?.failures ?? 0, 40)
      assert.strictEqual(reported.length, 6)
      lasting = 60_000
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual((yield* supervisor.status)[0]?.failures, 1)
    }).pipe(Effect.scoped, Effect.provide([Supervisor.layer, Logger.layer([logger])]))
  })

  it.effect("ends a loop with the scope in which it was started, without a report", () => {
    const reported: Array<unknown> = []
    const logger = Logger.make((entry) => void reported.push(entry))
    return Effect.gen(function*() {
      const supervisor = yield* Supervisor.Supervisor
      yield* Effect.scoped(Effect.andThen(supervisor.start("loop", Effect.never), Effect.yieldNow))
      assert.deepStrictEqual(yield* supervisor.status, [])
      assert.deepStrictEqual(reported, [])
    }).pipe(Effect.provide(Layer.merge(Supervisor.layer, Logger.layer([logger]))))
  })
})

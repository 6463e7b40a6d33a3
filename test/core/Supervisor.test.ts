import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/testing/TestClock"
import { Supervisor } from "ostinato"

describe("Supervisor", () => {
  const every = Schedule.spaced("1 second")

  it.effect("D.2 S3.6 S3.34 restarts a loop that failed or died, and reports the cause each time", () => {
    const reported: Array<string> = []
    const logger = Logger.make(({ cause, message }) =>
      void reported.push(`${String(message)}: ${String(Cause.squash(cause))}`)
    )
    let starts = 0
    const loop = Effect.suspend(() => {
      starts += 1
      return starts === 1 ? Effect.fail("lost") : starts === 2 ? Effect.die("broken") : Effect.never
    })
    return Effect.gen(function*() {
      const supervisor = yield* Supervisor.Supervisor
      yield* supervisor.start("listener", loop, { restart: Schedule.spaced("10 seconds") })
      yield* TestClock.adjust("50 seconds")
      assert.strictEqual(starts, 3)
      const [status] = yield* supervisor.status
      assert.deepStrictEqual([status?.name, status?.state, status?.failures], ["listener", "running", 2])
      assert.strictEqual(status?.lastFailure?.message, "broken")
      assert.deepStrictEqual(reported, [
        "listener stopped and will be restarted: lost",
        "listener stopped 2 times in a row: broken"
      ])
      const counted = (yield* Metric.snapshot).find(({ attributes, id }) =>
        id === "ostinato_supervisor_failures_total" && attributes?.["fiber"] === "listener"
      )
      assert.deepInclude(counted?.state, { count: 2 })
    }).pipe(Effect.scoped, Effect.provide([Supervisor.layer, Logger.layer([logger])]))
  })

  it.effect("D.2 names a loop as failed when its restarts are used up", () =>
    Effect.gen(function*() {
      const supervisor = yield* Supervisor.Supervisor
      yield* supervisor.start("relay", Effect.fail("gone"), { restart: Schedule.upTo(every, { times: 2 }) })
      yield* TestClock.adjust("1 minute")
      const [status] = yield* supervisor.status
      assert.deepStrictEqual([status?.name, status?.state, status?.failures], ["relay", "failed", 3])
    }).pipe(Effect.scoped, Effect.provide([Supervisor.layer, Logger.layer([])])))

  it.effect("D.2 a loop that fails now and then keeps its restarts: their limit counts failures in a row", () => {
    let starts = 0
    const loop = Effect.suspend(() => {
      starts += 1
      return Effect.andThen(Effect.sleep(starts > 6 ? 0 : "2 minutes"), Effect.fail("gone"))
    })
    return Effect.gen(function*() {
      const supervisor = yield* Supervisor.Supervisor
      yield* supervisor.start("relay", loop, { restart: Schedule.upTo(every, { times: 2 }) })
      yield* TestClock.adjust("725 seconds")
      assert.deepInclude((yield* supervisor.status)[0], { state: "restarting", failures: 1 })
      yield* TestClock.adjust("1 minute")
      assert.deepInclude((yield* supervisor.status)[0], { state: "failed", failures: 3 })
      assert.strictEqual(starts, 8)
    }).pipe(Effect.scoped, Effect.provide([Supervisor.layer, Logger.layer([])]))
  })

  it.effect("D.2 G20 counts failures from anew once a loop has run for a minute, and reports a fast series once in 10 seconds", () => {
    const reported: Array<string> = []
    const logger = Logger.make(({ message }) => void reported.push(String(message)))
    let lasting = 0
    return Effect.gen(function*() {
      const supervisor = yield* Supervisor.Supervisor
      const loop = Effect.suspend(() => Effect.andThen(Effect.sleep(lasting), Effect.fail("away")))
      yield* supervisor.start("loop", loop, { restart: every })
      yield* TestClock.adjust("40 seconds")
      assert.isAtLeast((yield* supervisor.status)[0]?.failures ?? 0, 40)
      assert.strictEqual(reported.length, 5)
      assert.match(reported[1] ?? "", /^loop stopped 1[01] times in a row, 9 of them unreported$/)
      lasting = 60_000
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual((yield* supervisor.status)[0]?.failures, 1)
    }).pipe(Effect.scoped, Effect.provide([Supervisor.layer, Logger.layer([logger])]))
  })

  it.effect("D.2 S3.2 ends a loop with the scope in which it was started, without a report", () => {
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

import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { Dispatch, Task } from "ostinato"
import { PeriodicTask, TaskScheduler, Timetable } from "ostinato/schedule"
import { Simulation, TestTasks } from "ostinato/testing"

class Declined extends Schema.TaggedError<Declined>()("Declined", {}) {}

const Charge = Task.make("test.charge", {
  payload: { until: Schema.Int },
  success: Schema.Int,
  error: Declined,
  retry: Schedule.spaced("1 minute").pipe(Schedule.upTo({ times: 3 }))
})
let calls = 0
const ChargeLive = Charge.toLayer(({ until }) =>
  Effect.suspend(() => ++calls < until ? Effect.fail(new Declined()) : Effect.succeed(calls))
)

const day = 86_400_000

const Bill = Task.make("test.bill", {
  error: Declined,
  retry: Schedule.spaced("10 minutes").pipe(Schedule.upTo({ times: 2 }))
})
const Daily = PeriodicTask.make("test.daily", {
  timetable: Timetable.every("1 day", { anchor: "fixed" }),
  task: Bill,
  payload: {},
  dispatch: Dispatch.here,
  missed: { all: 30 }
})

/** Three processes bill once a day for thirty days, with retries, crashes and stores that are away now and then. */
const thirtyDays = Effect.gen(function*() {
  const attempts: Array<number> = []
  const handler = Bill.toLayer(() =>
    Effect.gen(function*() {
      attempts.push(yield* Clock.currentTimeMillis)
      yield* Effect.sleep("30 seconds")
      if (attempts.length % 3 === 0) return yield* new Declined()
    })
  )
  const nodes = yield* TestTasks.nodes(
    TaskScheduler.layer([Daily], { poll: "6 hours" }).pipe(Layer.provide(handler)),
    {
      nodes: 3,
      crashes: { every: "12 hours", down: "8 hours" },
      faults: { unavailable: 0.05, unknown: 0.05, delay: 0.2 }
    }
  )
  yield* Effect.sleep("30 days")
  yield* nodes.calm
  yield* Effect.sleep("12 hours")
  const ticks = yield* nodes.ticks("test.daily")
  const runs = yield* nodes.runs
  yield* nodes.stop
  return {
    ticks: ticks.map(({ tick }) => Math.floor(DateTime.toEpochMillis(tick) / day)),
    outcomes: ticks.map(({ outcome }) => outcome),
    runs,
    attempts
  }
})

describe("TestTasks", () => {
  it.effect("D.6 runs a task with its retries at once, and says how it ended", () =>
    Effect.gen(function*() {
      const { exit, run } = yield* TestTasks.run(Charge, { until: 3 })
      assert.deepStrictEqual(exit, Exit.succeed(3))
      assert.deepStrictEqual([run.status, run.attempts, run.runMs], ["completed", 3, 120_000])
      yield* TestTasks.expect(run, "completed")
      const unexpected = yield* Effect.flip(TestTasks.expect(run, "failed"))
      assert.strictEqual(unexpected.message, "run of task test.charge is completed and not failed")
      const failed = yield* TestTasks.run(Charge, { until: 100 })
      const wrong = yield* Effect.flip(TestTasks.expect(failed.run, "completed"))
      assert.include(wrong.message, "run of task test.charge is failed and not completed: ")
      assert.deepStrictEqual((yield* TestTasks.runs({ task: "test.charge" })).map(({ status }) => status), [
        "completed",
        "failed"
      ])
      assert.deepStrictEqual(yield* TestTasks.runs({ status: "running" }), [])
    }).pipe(Effect.provide([ChargeLive, TestTasks.layer])))

  it.effect("says so when a task does not end in the time that it was given", () => {
    const Hang = Task.fn("test.hang", {}, () => Effect.never)
    return Effect.gen(function*() {
      const before = yield* Clock.currentTimeMillis
      const late = yield* Effect.flip(TestTasks.run(Hang, {}, { within: "2 minutes" }))
      assert.match(late.message, /^task test.hang has not ended after 120000 ms/)
      assert.strictEqual((yield* TestTasks.runs())[0]?.status, "interrupted")
      assert.isAtMost((yield* Clock.currentTimeMillis) - before, 4 * 60_000)
    }).pipe(Effect.provide(TestTasks.layer))
  })

  it.effect("gives all runs, however many pages of the log they fill", () =>
    Effect.gen(function*() {
      const Tick = Task.fn("test.tick", {}, () => Effect.void)
      yield* Effect.forEach(Array.from({ length: 450 }), () => Dispatch.here(Tick, {}, { kind: "code" }))
      yield* TestClock.adjust("1 day")
      const runs = yield* TestTasks.runs({ status: "completed" })
      assert.strictEqual(runs.length, 450)
      assert.deepStrictEqual(runs.map(({ id }) => id), runs.map(({ id }) => id).sort())
    }).pipe(Effect.provide(TestTasks.layer)))

  it.effect("D.6 lives through thirty days on three nodes with retries, crashes and faults: no day is lost or doubled", () =>
    Effect.gen(function*() {
      let crashes = 0
      let retries = 0
      for (let seed = 1; seed <= 4; seed++) {
        const { exit, trace } = yield* Simulation.replay(thirtyDays, seed)
        const { attempts, outcomes, runs, ticks } = yield* exit
        assert.deepStrictEqual(ticks, Array.from({ length: 30 }, (_, n) => n + 1), `seed ${seed}`)
        assert.notInclude(outcomes, null)
        assert.isAtLeast(attempts.length, runs.length)
        assert.isTrue(runs.every(({ status }) => status !== "running"))
        crashes += trace.filter((line) => line.endsWith("crashed")).length
        retries += runs.filter((run) => run.attempts > 1).length
      }
      assert.isAbove(crashes, 4)
      assert.isAbove(retries, 4)
    }))
})

import { assert, describe, it } from "@effect/vitest"
import { Schedule } from "effect"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as TestClock from "effect/testing/TestClock"
import { RunContext, Supervisor, TaskRun } from "ostinato"
import { PeriodicTask, ScheduleStore, TaskScheduler, Timetable } from "ostinato/schedule"
import {
  make,
  pass,
  quiet,
  recorded,
  scheduler,
  settle,
  start,
  status,
  stop,
  stopNow,
  stores,
  Work
} from "./OneSchedule.ts"

const runNow = scheduler((scheduler) => scheduler.runNow("test.schedule"))
const pause = scheduler((scheduler) => scheduler.pause("test.schedule"))
const resume = scheduler((scheduler) => scheduler.resume("test.schedule"))
const upcoming = (count: number) =>
  Effect.map(
    scheduler((scheduler) => scheduler.upcoming("test.schedule", count)),
    (ticks) => ticks.map((tick) => DateTime.toEpochMillis(tick) / 1000)
  )
const ticks = Effect.flatMap(ScheduleStore.ScheduleStore, (store) => store.ticks("test.schedule", 10))

describe("TaskScheduler", () => {
  describe("run now", () => {
    it.effect("runs at once with the trigger and for the person that asked, and the timetable does not move", () => {
      const starts: Array<number> = []
      return Effect.gen(function*() {
        yield* start
        yield* TestClock.adjust("3 seconds")
        const trigger = { kind: "http", method: "POST", path: "/runs" } as const
        const ask = scheduler((scheduler) => scheduler.runNow("test.schedule", { trigger }))
        const ran = yield* RunContext.within({ actor: "ada" })(ask)
        yield* ran.ended
        assert.deepInclude(ran, { schedule: "test.schedule", decision: "started", reason: null })
        assert.strictEqual(DateTime.toEpochMillis(ran.tick), 3000)
        yield* TestClock.adjust("7 seconds")
        assert.deepStrictEqual(starts, [3, 10])
        const [manual, due] = yield* recorded
        assert.deepStrictEqual([manual?.trigger, manual?.origin.actor], [trigger, "ada"])
        assert.strictEqual(due?.trigger.kind, "schedule")
      }).pipe(Effect.provide(make({ every: Timetable.every("10 seconds") }, starts)), Effect.provide([stores, quiet]))
    })

    it.effect("S1.21 is recorded as skipped (lock held) while another run goes on", () => {
      const starts: Array<number> = []
      return Effect.gen(function*() {
        yield* start
        const [first, second] = yield* Effect.all([runNow, runNow], { concurrency: "unbounded" })
        assert.deepStrictEqual([first.decision, second.decision], ["started", "skipped"])
        assert.strictEqual(second.reason, "lock held: 1 earlier run(s) have not ended")
        yield* TestClock.adjust("2 seconds")
        assert.strictEqual(starts.length, 1)
        assert.deepStrictEqual((yield* ticks).map((tick) => tick.outcome), ["skipped", "completed"])
        assert.strictEqual((yield* ticks)[0]?.detail, second.reason)
      }).pipe(
        Effect.provide(make({ every: Timetable.every("1 day"), body: Effect.sleep("1 second") }, starts)),
        Effect.provide([stores, quiet])
      )
    })

    it.effect("waits for its turn where the overlap policy says so", () => {
      const starts: Array<number> = []
      return Effect.gen(function*() {
        yield* start
        const answers = yield* Effect.all([runNow, runNow, runNow])
        assert.deepStrictEqual(answers.map((answer) => answer.decision), ["started", "waiting", "skipped"])
        yield* TestClock.adjust("5 seconds")
        assert.deepStrictEqual(starts, [0, 1])
        assert.deepStrictEqual((yield* recorded).map((run) => run.trigger.kind), ["code", "code"])
      }).pipe(
        Effect.provide(
          make({ every: Timetable.every("1 day"), body: Effect.sleep("1 second"), overlap: "queue-one" }, starts)
        ),
        Effect.provide([stores, quiet])
      )
    })

    it.effect("is refused before a start, after a stop, and for a schedule that is not there", () =>
      Effect.gen(function*() {
        assert.strictEqual((yield* Effect.flip(runNow))._tag, "SchedulerNotRunning")
        yield* start
        const unknown = scheduler((scheduler) => scheduler.runNow("test.unknown"))
        assert.strictEqual((yield* Effect.flip(unknown))._tag, "ScheduleNotFound")
        yield* stop
        assert.include((yield* Effect.flip(runNow)).message, "the scheduler is stopped")
      }).pipe(Effect.provide(make({ every: Timetable.every("1 day") })), Effect.provide([stores, quiet])))
  })

  describe("disabled", () => {
    it.effect("S1.15 runs nothing in 30 days, says disabled, and runs what somebody asks for", () => {
      const starts: Array<number> = []
      return Effect.gen(function*() {
        assert.strictEqual(yield* status, "disabled")
        yield* start
        yield* TestClock.adjust("30 days")
        assert.deepStrictEqual([starts, yield* status], [[], "disabled"])
        assert.isFalse(yield* scheduler((scheduler) => scheduler.isRunning))
        yield* (yield* runNow).ended
        assert.deepStrictEqual(starts, [2_592_000])
        yield* stop
        assert.strictEqual(yield* status, "disabled")
      }).pipe(
        Effect.provide(make({ every: Timetable.every("1 hour"), enabled: false, runOnStart: true }, starts)),
        Effect.provide([stores, quiet])
      )
    })
  })

  describe("pause and resume", () => {
    it.effect("fires no tick in between, makes up for none, and keeps the days", () => {
      const starts: Array<number> = []
      return Effect.gen(function*() {
        yield* start
        yield* TestClock.adjust("10 seconds")
        yield* pause
        yield* TestClock.adjust("25 seconds")
        assert.deepStrictEqual(yield* upcoming(3), [])
        yield* resume
        yield* settle
        assert.deepStrictEqual(yield* upcoming(3), [40, 50, 60])
        yield* TestClock.adjust("25 seconds")
        assert.deepStrictEqual(starts, [10, 40, 50, 60])
      }).pipe(
        Effect.provide(make({ every: Timetable.every("10 seconds", { anchor: "fixed" }) }, starts)),
        Effect.provide([stores, quiet])
      )
    })

    it.effect("outlives the process, and nothing that came meanwhile is made up for", () => {
      const starts: Array<number> = []
      const one = make({ every: Timetable.every("1 day"), runOnStart: true }, starts)
      const days = (days: number) => TestClock.adjust(`${days} days`)
      return Effect.gen(function*() {
        yield* Effect.provide(
          Effect.gen(function*() {
            yield* start
            yield* days(1.5)
            yield* pause
          }),
          one,
          { local: true }
        )
        yield* Effect.provide(Effect.andThen(start, days(3)), one, { local: true })
        assert.strictEqual(starts.length, 2)
        yield* days(3)
        yield* Effect.provide(
          Effect.gen(function*() {
            yield* start
            yield* settle
            yield* resume
            yield* settle
            yield* days(0.9)
            assert.strictEqual(starts.length, 2)
            yield* days(0.2)
            assert.strictEqual(starts.length, 3)
          }),
          one,
          { local: true }
        )
      }).pipe(Effect.provide([stores, quiet]))
    })
  })

  describe("jitter", () => {
    const spread = (seed: string) => {
      const starts: Array<number> = []
      return Effect.gen(function*() {
        yield* start
        yield* TestClock.adjust("105 seconds")
        return starts
      }).pipe(
        Effect.provide(make({ every: Timetable.every("10 seconds"), jitter: "5 seconds" }, starts)),
        Effect.provide([stores, quiet]),
        Random.withSeed(seed)
      )
    }

    it.effect("runs each tick up to that much later, keeps its instant, and repeats for a seed", () =>
      Effect.gen(function*() {
        const first = yield* spread("a")
        assert.strictEqual(first.length, 10)
        const delays = first.map((start, i) => start - (i + 1) * 10)
        for (const delay of delays) {
          assert.isAtLeast(delay, 0)
          assert.isBelow(delay, 5)
        }
        assert.isAbove(new Set(delays).size, 5)
        yield* TestClock.setTime(0)
        assert.deepStrictEqual(yield* spread("a"), first)
        yield* TestClock.setTime(0)
        assert.notDeepEqual(yield* spread("b"), first)
      }))
  })

  describe("mode enqueue", () => {
    it.effect("hands each tick over with its decision and closes it; one that could not be handed over says why", () => {
      const handed: Array<number> = []
      const queue = () =>
        Effect.flatMap(Clock.currentTimeMillis, (now) => {
          handed.push(now / 1000)
          return handed.length === 2
            ? Effect.die(new Error("the queue is full"))
            : Effect.map(Effect.flatten(TaskRun.NextRunId), (id) => ({ id, await: Effect.never }))
        })
      const periodic = PeriodicTask.make("test.schedule", {
        timetable: Timetable.every("10 seconds"),
        task: Work,
        payload: {},
        dispatch: queue,
        mode: "enqueue"
      })
      return Effect.gen(function*() {
        yield* start
        yield* TestClock.adjust("31 seconds")
        assert.deepStrictEqual(handed, [10, 20, 30])
        assert.deepStrictEqual((yield* ticks).map(({ detail, outcome }) => [outcome, detail]), [
          ["completed", null],
          ["failed", "the queue is full"],
          ["completed", null]
        ])
        assert.deepStrictEqual(yield* stop, { completed: 0, interrupted: [], abandoned: [], timedOut: [] })
      }).pipe(
        Effect.provide(TaskScheduler.layer([periodic]).pipe(Layer.provide(Supervisor.layer))),
        Effect.provide([stores, quiet])
      )
    })
  })

  describe("timetables", () => {
    it.effect("S0.8 D.1 fires cron lines, delays after each run and Effect schedules, and knows what comes", () =>
      Effect.gen(function*() {
        const cases: ReadonlyArray<readonly [Timetable.Timetable, ReadonlyArray<number>, ReadonlyArray<number>]> = [
          [Timetable.cronUnsafe("*/30 * * * * *"), [30, 60, 90], [120, 150]],
          // a run takes 25 s
          [Timetable.spaced("10 seconds"), [0, 35, 70], []],
          [Timetable.fromSchedule(Schedule.recurs(2).pipe(Schedule.addDelay(() => Effect.succeed("5 seconds")))), [
            0,
            30,
            60
          ], []]
        ]
        for (const [every, expected, coming] of cases) {
          const starts: Array<number> = []
          yield* TestClock.setTime(0)
          yield* Effect.gen(function*() {
            yield* start
            yield* pass(94)
            assert.deepStrictEqual(starts, expected)
            assert.deepStrictEqual(yield* upcoming(2), coming)
            yield* stopNow
          }).pipe(
            Effect.provide(make({ every, body: Effect.sleep("25 seconds") }, starts)),
            Effect.provide([stores, quiet])
          )
        }
      }))
  })
})

import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as References from "effect/References"
import * as TestClock from "effect/testing/TestClock"
import { MemoryRunLog, RunLog } from "ostinato"
import { MemoryScheduleStore, ScheduleStore, Timetable } from "ostinato/schedule"
import { make, quiet, recorded, start, status, stop, stopNow, stores } from "./OneSchedule.ts"

describe("TaskScheduler", () => {
  describe("start and stop", () => {
    it.effect("S0.7 S1.10 returns before the first run has ended, and has begun it at once", () =>
      Effect.gen(function*() {
        const latch = yield* Latch.make()
        const starts: Array<number> = []
        yield* Effect.gen(function*() {
          yield* start
          assert.strictEqual(yield* status, "running")
          yield* TestClock.adjust("1 millis")
          assert.deepStrictEqual(starts, [0])
          yield* latch.open
        }).pipe(Effect.provide(make({ every: Timetable.every("1 day"), runOnStart: true, body: latch.await }, starts)))
      }).pipe(Effect.provide([stores, quiet])))

    it.effect("S0.6 only warns about a second start", () => {
      const warnings: Array<string> = []
      const logger = Logger.make(({ logLevel, message }) =>
        void (logLevel === "Warn" && warnings.push(String(message)))
      )
      const starts: Array<number> = []
      return Effect.gen(function*() {
        yield* start
        yield* start
        assert.deepStrictEqual(warnings, ["the scheduler is running already: start was ignored"])
        yield* TestClock.adjust("10 seconds")
        assert.deepStrictEqual(starts, [10])
      }).pipe(
        Effect.provide(make({ every: Timetable.every("10 seconds") }, starts)),
        Effect.provide([stores, Logger.layer([logger])])
      )
    })

    it.effect("S0.5 logs the interval", () => {
      const messages: Array<string> = []
      const logger = Logger.make(({ message }) => void messages.push(String(message)))
      return Effect.gen(function*() {
        yield* start
        yield* TestClock.adjust("1 millis")
        assert.include(messages, "scheduler.started interval=1209600s")
        assert.strictEqual(yield* status, "running")
      }).pipe(
        Effect.provide(make({ every: Timetable.every("1209600 seconds") })),
        Effect.provide([stores, Logger.layer([logger])])
      )
    })

    it.effect("S0.10 S0.12 S0.13 stops without a warning, fires no more, and a second stop finds nothing to do", () => {
      const loud: Array<string> = []
      const logger = Logger.make(({ logLevel, message }) =>
        void (["Warn", "Error", "Fatal"].includes(logLevel) && loud.push(String(message)))
      )
      const starts: Array<number> = []
      return Effect.gen(function*() {
        yield* stop
        yield* start
        yield* TestClock.adjust("10 seconds")
        yield* stop
        yield* stop
        yield* TestClock.adjust("100 seconds")
        assert.deepStrictEqual([starts, loud], [[10], []])
      }).pipe(
        Effect.provide(make({ every: Timetable.every("10 seconds") }, starts)),
        Effect.provide([stores, Logger.layer([logger])])
      )
    })

    it.effect("S0.16 S1.22 is stopped, running, stopping while work drains, and stopped again", () =>
      Effect.gen(function*() {
        assert.strictEqual(yield* status, "stopped")
        yield* start
        assert.strictEqual(yield* status, "running")
        yield* TestClock.adjust("10 seconds")
        const stopping = yield* Effect.forkChild(stop)
        yield* TestClock.adjust("1 second")
        assert.strictEqual(yield* status, "stopping")
        yield* TestClock.adjust("4 seconds")
        assert.deepStrictEqual(yield* Fiber.join(stopping), {
          completed: 1,
          interrupted: [],
          abandoned: [],
          timedOut: []
        })
        assert.strictEqual(yield* status, "stopped")
      }).pipe(
        Effect.provide(make({ every: Timetable.every("10 seconds"), body: Effect.sleep("5 seconds") })),
        Effect.provide([stores, quiet])
      ))

    it.effect("S0.15 interrupts work that outlasts the drain, runs its finalizers and names it", () => {
      let released = false
      const body = Effect.ensuring(Effect.sleep("1 hour"), Effect.sync(() => released = true))
      return Effect.gen(function*() {
        yield* start
        yield* TestClock.adjust("10 seconds")
        const stopping = yield* Effect.forkChild(stop)
        yield* TestClock.adjust("10 seconds")
        const report = yield* Fiber.join(stopping)
        assert.deepStrictEqual(report, {
          completed: 0,
          interrupted: ["test.schedule"],
          abandoned: [],
          timedOut: ["test.schedule"]
        })
        assert.isTrue(released)
        assert.deepStrictEqual((yield* recorded).map((run) => run.status), ["interrupted"])
      }).pipe(
        Effect.provide(make({ every: Timetable.every("10 seconds"), body })),
        Effect.provide([stores, quiet])
      )
    })
  })

  describe("a store that does not answer", () => {
    it.effect("holds up a stop for no longer than drain and grace", () => {
      const silent = Layer.effect(
        ScheduleStore.ScheduleStore,
        Effect.map(
          ScheduleStore.ScheduleStore,
          (store) => ScheduleStore.ScheduleStore.of({ ...store, advance: () => Effect.never })
        )
      ).pipe(Layer.provide(MemoryScheduleStore.layer))
      return Effect.gen(function*() {
        yield* start
        yield* TestClock.adjust("1 minute")
        const stopping = yield* Effect.forkChild(stop)
        yield* TestClock.adjust("11 seconds")
        const report = yield* Fiber.join(stopping)
        assert.deepStrictEqual(report, {
          completed: 0,
          interrupted: [],
          abandoned: ["test.schedule"],
          timedOut: ["test.schedule"]
        })
      }).pipe(
        Effect.provide(make({ every: Timetable.every("10 seconds") })),
        Effect.provide([silent, MemoryRunLog.layer(), quiet])
      )
    })

    it.effect("S1.23 is asked again after 1, 2, 4 … at most 30 s, jittered, told once in 30 s, and then fires what was due", () => {
      const starts: Array<number> = []
      const asked: Array<number> = []
      const warnings: Array<string> = []
      const logger = Logger.make(({ logLevel, message }) =>
        void (logLevel === "Warn" && warnings.push(String(message)))
      )
      let broken = false
      const flaky = Layer.effect(
        ScheduleStore.ScheduleStore,
        Effect.map(ScheduleStore.ScheduleStore, (store) =>
          ScheduleStore.ScheduleStore.of({
            ...store,
            advance: (name, plan) =>
              broken
                ? Effect.flatMap(Clock.currentTimeMillis, (now) => {
                  asked.push(now / 1000)
                  return new ScheduleStore.ScheduleStoreUnavailable({ operation: "advance", detail: "away" })
                })
                : store.advance(name, plan)
          }))
      ).pipe(Layer.provide(MemoryScheduleStore.layer))
      return Effect.gen(function*() {
        yield* start
        yield* TestClock.adjust("5 seconds")
        broken = true
        yield* TestClock.adjust("5 minutes")
        broken = false
        assert.strictEqual(yield* status, "running")
        const delays = asked.slice(1).map((at, i) => at - asked[i]!)
        for (const [i, nominal] of [1, 2, 4, 8, 16, 30, 30].entries()) {
          assert.isAtLeast(delays[i] ?? 0, nominal * 0.8)
          assert.isAtMost(delays[i] ?? 0, nominal * 1.2)
        }
        assert.isAtMost(warnings.length, 11)
        assert.include(warnings[0], "advance failed: away")
        yield* TestClock.adjust("40 seconds")
        assert.isAbove(starts[0] ?? 0, 305)
        assert.isBelow(starts[0] ?? 0, 341)
        assert.strictEqual(Math.floor(starts.at(-1)!) % 10, 0)
      }).pipe(
        Effect.provide(make({ every: Timetable.every("10 seconds", { anchor: "fixed" }) }, starts)),
        Effect.provide([flaky, MemoryRunLog.layer(), Logger.layer([logger])])
      )
    })
  })

  describe("a log of runs that does not answer", () => {
    it.effect("uses up no tick: the run begins when the log is back", () => {
      const starts: Array<number> = []
      let broken = true
      const flaky = Layer.effect(
        RunLog.RunLog,
        Effect.map(RunLog.RunLog, (log) =>
          RunLog.RunLog.of({
            ...log,
            begin: (run) =>
              broken
                ? Effect.fail(new RunLog.RunLogUnavailable({ operation: "begin run", detail: "away" }))
                : log.begin(run)
          }))
      ).pipe(Layer.provide(MemoryRunLog.layer()))
      return Effect.gen(function*() {
        const store = yield* ScheduleStore.ScheduleStore
        yield* start
        yield* TestClock.adjust("1 day")
        yield* TestClock.adjust("1 minute")
        broken = false
        yield* TestClock.adjust("5 seconds")
        assert.strictEqual(starts.length, 1)
        const [tick] = yield* store.ticks("test.schedule", 1)
        assert.strictEqual(tick?.outcome, "completed")
      }).pipe(
        Effect.provide(make({ every: Timetable.every("1 day") }, starts)),
        Effect.provide([MemoryScheduleStore.layer, flaky, quiet])
      )
    })
  })

  describe("ticks", () => {
    it.effect("keeps a tick open by renewing its lease for as long as its work goes on", () =>
      Effect.gen(function*() {
        const store = yield* ScheduleStore.ScheduleStore
        yield* start
        yield* TestClock.adjust("1 day")
        yield* TestClock.adjust("2 hours")
        assert.deepStrictEqual((yield* store.list).map((schedule) => schedule.open), [1])
        yield* TestClock.adjust("1 hour")
        assert.deepStrictEqual((yield* store.ticks("test.schedule", 1)).map((tick) => tick.outcome), ["completed"])
      }).pipe(
        Effect.provide(make({ every: Timetable.every("1 day"), body: Effect.sleep("3 hours") })),
        Effect.provide([stores, quiet])
      ))

    it.effect("traces a run under its tick and logs it with its ids, whatever surrounds the Layers", () => {
      const lines: Array<Record<string, unknown>> = []
      const logger = Logger.make(({ fiber, message }) =>
        void lines.push({ message: String(message), ...fiber.getRef(References.CurrentLogAnnotations) })
      )
      return Effect.gen(function*() {
        yield* start
        yield* TestClock.adjust("10 seconds")
        const line = lines.find((line) => line["message"] === "inside")
        assert.containsAllKeys(line, ["run_id", "task", "attempt"])
        const outer = yield* Effect.currentSpan
        const [run] = yield* recorded
        assert.isNotNull(run?.traceId)
        assert.notStrictEqual(run?.traceId, outer.traceId)
      }).pipe(
        Effect.provide(make({ every: Timetable.every("10 seconds"), body: Effect.log("inside") })),
        Effect.provide([stores, Logger.layer([logger])]),
        Effect.annotateLogs({ service: "shop" }),
        Effect.withSpan("main")
      )
    })

    it.effect("S1.1 runs once more in a fortnight", () => {
      const starts: Array<number> = []
      return Effect.gen(function*() {
        yield* start
        yield* TestClock.adjust("1 millis")
        assert.deepStrictEqual(starts, [0])
        yield* TestClock.adjust("14 days")
        assert.deepStrictEqual(starts, [0, 1_209_600])
      }).pipe(
        Effect.provide(make({ every: Timetable.every("2 weeks"), runOnStart: true }, starts)),
        Effect.provide([stores, quiet])
      )
    })

    it.effect("S0.8 goes on at a fixed rate without waiting for the work, where overlap is allowed", () => {
      const starts: Array<number> = []
      return Effect.gen(function*() {
        yield* start
        yield* TestClock.adjust("30 seconds")
        assert.deepStrictEqual(starts, [0, 10, 20, 30].map((second) => second + starts[0]!))
        yield* stopNow
      }).pipe(
        Effect.provide(make({
          every: Timetable.every("10 seconds"),
          runOnStart: true,
          overlap: { allow: 5 },
          body: Effect.sleep("25 seconds")
        }, starts)),
        Effect.provide([stores, quiet])
      )
    })

    it.effect("skips by default while earlier work has not ended, and counts what it skipped", () => {
      const starts: Array<number> = []
      return Effect.gen(function*() {
        yield* start
        yield* TestClock.adjust("60 seconds")
        assert.deepStrictEqual(starts, [10, 40])
        const skipped = (yield* Metric.snapshot).filter((metric) =>
          metric.id === "ostinato_schedule_skipped_total" && metric.attributes?.["schedule"] === "test.schedule"
        )
        assert.isAtLeast(skipped.length, 1)
        yield* stopNow
      }).pipe(
        Effect.provide(make({ every: Timetable.every("10 seconds"), body: Effect.sleep("25 seconds") }, starts)),
        Effect.provide([stores, quiet])
      )
    })

    it.effect("S0.18 S1.26 goes on after runs that failed, threw or died", () => {
      const bodies: Array<Effect.Effect<void>> = [
        Effect.die(new Error("dead")),
        Effect.sync(() => {
          throw "text"
        }),
        Effect.sync(() => {
          throw undefined
        }),
        Effect.promise(() => Promise.reject(new RangeError("far"))),
        Effect.interrupt,
        Effect.void
      ]
      return Effect.gen(function*() {
        yield* start
        yield* TestClock.adjust("60 seconds")
        assert.deepStrictEqual(
          (yield* recorded).map((run) => run.status),
          ["failed", "failed", "failed", "failed", "interrupted", "completed"]
        )
        assert.strictEqual(yield* status, "running")
      }).pipe(
        Effect.provide(make({
          every: Timetable.every("10 seconds"),
          body: Effect.suspend(() => bodies.shift() ?? Effect.void)
        })),
        Effect.provide([stores, quiet])
      )
    })
  })
})

import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { MemoryRunLog, Supervisor } from "ostinato"
import { MemoryScheduleStore, ScheduleStore, Timetable } from "ostinato/schedule"
import { make, quiet, scheduler, start, status, stop, stores } from "./OneSchedule.ts"

describe("TaskScheduler", () => {
  describe("start after stop", () => {
    it.effect("S0.52 S1.11 runs once at once, goes on at the interval, and 100 cycles leave no fiber and no sleeper behind", () => {
      const starts: Array<number> = []
      const fibers = { live: 0 }
      const counting: Metric.FiberRuntimeMetricsService = {
        recordFiberStart: () => void (fibers.live += 1),
        recordFiberEnd: () => void (fibers.live -= 1)
      }
      return Effect.gen(function*() {
        const cycle = Effect.gen(function*() {
          yield* start
          yield* TestClock.adjust("1 millis")
          yield* stop
          yield* TestClock.adjust("1 millis")
        })
        yield* cycle
        const afterOne = fibers.live
        for (let i = 0; i < 99; i++) yield* cycle
        assert.strictEqual(fibers.live, afterOne)
        assert.strictEqual(starts.length, 100)
        yield* start
        yield* TestClock.adjust("1 millis")
        const running = fibers.live
        assert.isAbove(running, afterOne)
        yield* TestClock.adjust("20 seconds")
        assert.strictEqual(starts.length, 103)
        assert.strictEqual(fibers.live, running)
        yield* stop
      }).pipe(
        Effect.provide(make({ every: Timetable.every("10 seconds"), runOnStart: true }, starts)),
        Effect.provide([stores, quiet]),
        Effect.provideService(Metric.FiberRuntimeMetrics, counting)
      )
    })

    it.effect("S0.16 S1.22 is running from start to the end of the drain, and not before and after", () =>
      Effect.gen(function*() {
        const isRunning = scheduler((scheduler) => scheduler.isRunning)
        assert.isFalse(yield* isRunning)
        yield* start
        assert.isTrue(yield* isRunning)
        yield* TestClock.adjust("10 seconds")
        const stopping = yield* Effect.forkChild(stop)
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual([yield* isRunning, yield* status], [true, "stopping"])
        yield* TestClock.adjust("9 seconds")
        yield* Fiber.join(stopping)
        assert.isFalse(yield* isRunning)
      }).pipe(
        Effect.provide(make({ every: Timetable.every("10 seconds"), body: Effect.sleep("5 seconds") })),
        Effect.provide([stores, quiet])
      ))
  })

  describe("figures", () => {
    it.effect("S3.30 are taken every 5 s, and no more once the scope has ended", () => {
      const series: Array<number> = []
      const sample = Effect.map(Clock.currentTimeMillis, (now) => void series.push(now / 1000))
      return Effect.gen(function*() {
        const scope = yield* Scope.make()
        const layer = make({ every: Timetable.every("5 seconds"), body: sample })
        const context = yield* Scope.provide(Layer.build(Layer.fresh(layer)), scope)
        yield* Effect.provideContext(start, context)
        yield* TestClock.adjust("22 seconds")
        yield* Scope.close(scope, Exit.void)
        yield* TestClock.adjust("1 hour")
        assert.deepStrictEqual(series, [5, 10, 15, 20])
      }).pipe(Effect.provide([stores, quiet]))
    })
  })

  describe("a decision that breaks", () => {
    it.effect("S0.11 is logged with its cause, the loop is restarted and counted, and ticks go on", () => {
      const starts: Array<number> = []
      const errors: Array<string> = []
      const logger = Logger.make(({ cause, logLevel, message }) =>
        void (logLevel === "Error" && errors.push(`${String(message)} ${String(cause.reasons[0])}`))
      )
      let broken = false
      const breaking = Layer.effect(
        ScheduleStore.ScheduleStore,
        Effect.map(ScheduleStore.ScheduleStore, (store) =>
          ScheduleStore.ScheduleStore.of({
            ...store,
            advance: (name, plan) =>
              store.advance(name, (situation) => broken ? Effect.die(new Error("no next instant")) : plan(situation))
          }))
      ).pipe(Layer.provide(MemoryScheduleStore.layer))
      return Effect.gen(function*() {
        const supervisor = yield* Supervisor.Supervisor
        const loop = Effect.map(
          supervisor.status,
          (fibers) => fibers.find((fiber) => fiber.name === "schedule test.schedule")
        )
        yield* start
        yield* TestClock.adjust("10 seconds")
        broken = true
        yield* TestClock.adjust("30 seconds")
        assert.strictEqual(yield* status, "running")
        assert.include(errors[0], "schedule test.schedule stopped and will be restarted")
        assert.include(errors[0], "no next instant")
        assert.isAtLeast((yield* loop)?.failures ?? 0, 5)
        broken = false
        yield* TestClock.adjust("5 minutes")
        assert.strictEqual((yield* loop)?.state, "running")
        assert.isAbove(starts.length, 20)
      }).pipe(
        Effect.provide(make({ every: Timetable.every("10 seconds", { anchor: "fixed" }) }, starts)),
        Effect.provide([breaking, MemoryRunLog.layer(), Logger.layer([logger])])
      )
    })
  })
})

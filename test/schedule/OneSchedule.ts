/** One process with one schedule under TestClock, and what it did. */
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as TestClock from "effect/testing/TestClock"
import { Dispatch, MemoryRunLog, RunLog, Supervisor, Task } from "ostinato"
import { MemoryScheduleStore, PeriodicTask, type ScheduleStore, TaskScheduler, type Timetable } from "ostinato/schedule"

export const Work = Task.make("test.work")

export interface Options {
  readonly every: Timetable.Timetable
  readonly body?: Effect.Effect<void>
  readonly runOnStart?: boolean
  readonly overlap?: PeriodicTask.Overlap
  readonly missed?: PeriodicTask.Missed
  readonly jitter?: Duration.Input
  readonly enabled?: boolean
}

/** One process with one schedule; its starts are kept as seconds since the beginning of the test. */
export const make = (options: Options, starts: Array<number> = []) => {
  const live = Work.toLayer(() =>
    Effect.andThen(
      Effect.map(Clock.currentTimeMillis, (now) => void starts.push(now / 1000)),
      options.body ?? Effect.void
    )
  )
  const periodic = PeriodicTask.make("test.schedule", {
    timetable: options.every,
    task: Work,
    payload: {},
    dispatch: Dispatch.here,
    runOnStart: options.runOnStart,
    overlap: options.overlap,
    missed: options.missed,
    jitter: options.jitter
  })
  return TaskScheduler.layer([periodic], {
    drain: "10 seconds",
    grace: "1 second",
    poll: "1 hour",
    enabled: options.enabled
  }).pipe(
    Layer.provide(live),
    Layer.provideMerge(Supervisor.layer)
  )
}

export const scheduler = <A, E, R>(
  use: (scheduler: TaskScheduler.TaskScheduler["Service"]) => Effect.Effect<A, E, R>
) => Effect.flatMap(TaskScheduler.TaskScheduler, use)

export const start = scheduler((scheduler) => scheduler.start)
export const stop = scheduler((scheduler) => scheduler.stop)
export const status = scheduler((scheduler) => scheduler.status)

/** Ends with nothing in flight, so that the end of the test waits for nobody's clock. */
export const stopNow = Effect.gen(function*() {
  const stopping = yield* Effect.forkChild(stop)
  yield* TestClock.adjust("1 minute")
  yield* Fiber.join(stopping)
})

/** Lets fibers that were woken come to rest, where the clock would go on without them. */
export const settle = TestClock.adjust(0)

/** Time in small steps, for what is armed only when something else has ended. */
export const pass = (seconds: number) =>
  Effect.repeat(Effect.andThen(TestClock.adjust("1 second"), settle), { times: seconds - 1 })

export const stores = Layer.merge(MemoryScheduleStore.layer, MemoryRunLog.layer())

export const quiet = Logger.layer([])

/** A process that starts, lives this long, and is gone with all that it had in memory; the stores outlive it. */
export const process = (
  layer: Layer.Layer<TaskScheduler.TaskScheduler, never, ScheduleStore.ScheduleStore | RunLog.RunLog>,
  days: number
) =>
  Effect.scoped(Effect.flatMap(Layer.build(Layer.fresh(layer)), (context) =>
    Effect.gen(function*() {
      yield* start
      yield* TestClock.adjust(`${days} days`)
    }).pipe(Effect.provideContext(context))))

export const recorded = Effect.flatMap(
  RunLog.RunLog,
  (log) => Effect.map(log.list({ limit: 200 }), (runs) => [...runs].reverse())
)

/**
 * Starts the runs of periodic tasks when they are due.
 *
 *   stopped --start--> running --stop--> stopping --drained--> stopped
 *
 * Every schedule has a supervised loop of its own: decide in one transaction, commit, run outside of it, sleep until
 * the next instant. A tick makes at most one run across all nodes, and a restart loses none. A run that fails, dies or
 * times out never stops later ones. `stop` waits for work in flight, up to the drain limit and the grace.
 */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Scope from "effect/Scope"
import * as Drain from "../core/Drain.ts"
import { Supervisor } from "../core/Supervisor.ts"
import { fromCause } from "../core/TaskError.ts"
import { type PeriodicTask, plan } from "./PeriodicTask.ts"
import { renewEvery, ScheduleStore, type ScheduleStoreUnavailable, type TickKey } from "./ScheduleStore.ts"

/**
 * @category services
 */
export class TaskScheduler extends Context.Service<TaskScheduler, {
  /** Begins to fire. Returns before any work has run. While running it only warns. */
  readonly start: Effect.Effect<void>
  /** Ends intake and waits for work in flight. While stopped it does nothing. */
  readonly stop: Effect.Effect<Drain.Report>
  readonly status: Effect.Effect<"stopped" | "running" | "stopping">
}>()("ostinato/schedule/TaskScheduler") {}

const lastSuccess = Metric.gauge("ostinato_schedule_last_success_timestamp_seconds", {
  description: "When a tick of the schedule last ended well, as seconds since 1970"
})
const skippedTotal = Metric.counter("ostinato_schedule_skipped_total", {
  description: "Ticks that were not run because earlier work had not ended",
  incremental: true
})

/**
 * The scheduler of these periodic tasks. It is stopped with its scope; it does not start by itself.
 *
 * @category layers
 */
export const layer = <R>(schedules: ReadonlyArray<PeriodicTask<R>>, options?: {
  /** How long `stop` waits for work in flight before it interrupts. Defaults to `25 seconds`. */
  readonly drain?: Duration.Input | undefined
  /** How long interrupted work may take for its finalizers. Defaults to `3 seconds`. */
  readonly grace?: Duration.Input | undefined
  /**
   * The longest time between two looks at the store: a clock that was set, or a machine that slept, makes a tick late by
   * no more than this. Defaults to `1 minute`.
   */
  readonly poll?: Duration.Input | undefined
}): Layer.Layer<TaskScheduler, never, ScheduleStore | Supervisor | R> =>
  Layer.effect(
    TaskScheduler,
    Effect.gen(function*() {
      const store = yield* ScheduleStore
      const supervisor = yield* Supervisor
      const context = yield* Effect.context<R>()
      const poll = Duration.fromInputUnsafe(options?.poll ?? "1 minute")
      let state: "stopped" | "running" | "stopping" = "stopped"
      let cycle: Cycle | undefined

      // one that fails is made up for by the next, or the lease runs out
      const renewal = (key: TickKey) =>
        store.renew([key]).pipe(
          Effect.catch((error) => Effect.logWarning(error.message)),
          Effect.delay(renewEvery),
          Effect.forever,
          Effect.withTracerEnabled(false)
        )

      const runTick = (schedule: PeriodicTask<R>, key: TickKey) =>
        Effect.uninterruptibleMask((restore) =>
          Effect.gen(function*() {
            const run = schedule.dispatch({ kind: "schedule", schedule: key.schedule, tick: key.tick })
            const exit = yield* Effect.exit(restore(Effect.flatMap(run, (run) => run.await)))
            if (Exit.isSuccess(exit)) {
              yield* succeeded(schedule.name)
              return yield* store.finish(key, "completed", null)
            }
            yield* store.finish(key, "failed", fromCause(exit.cause).message)
          })
        ).pipe(
          Effect.catchCause((cause) =>
            Effect.logError(`the end of a tick of ${schedule.name} was not recorded`, cause)
          ),
          Effect.raceFirst(renewal(key)),
          Effect.provideContext(context),
          Effect.withSpan(`tick ${schedule.name}`, { root: true }),
          // the loop that starts it is not traced, the work is
          Effect.withTracerEnabled(true)
        )

      // a decision and the ticks that it fires are one piece of work in flight: what is committed is run, and a database
      // that does not answer holds up a stop for no longer than the drain
      const decide = (
        schedule: PeriodicTask<R>,
        atStart: boolean,
        decided: Deferred.Deferred<Decision, ScheduleStoreUnavailable>
      ) =>
        Effect.uninterruptibleMask((restore) =>
          Effect.gen(function*() {
            const exit = yield* Effect.exit(store.advance(schedule.name, plan(schedule, atStart)))
            yield* Deferred.done(decided, exit)
            if (Exit.isFailure(exit)) return
            const { fired, skipped } = exit.value
            if (skipped > 0) {
              yield* Effect.logWarning(
                `schedule ${schedule.name} skipped ${skipped} tick(s): earlier work has not ended`
              )
              yield* Metric.update(Metric.withAttributes(skippedTotal, { schedule: schedule.name }), skipped)
            }
            yield* restore(
              Effect.forEach(fired, (key) => runTick(schedule, key), { concurrency: "unbounded", discard: true })
            )
          })
        )

      const loop = (schedule: PeriodicTask<R>, drain: Drain.Drain) => {
        let atStart = schedule.runOnStart
        const next = Effect.gen(function*() {
          const decided = yield* Deferred.make<Decision, ScheduleStoreUnavailable>()
          yield* drain.fork(schedule.name, decide(schedule, atStart, decided))
          const { wait } = yield* Deferred.await(decided)
          atStart = false
          yield* Effect.sleep(Duration.min(wait, poll))
        })
        return Effect.gen(function*() {
          yield* store.register(schedule)
          yield* Effect.logInfo(`scheduler.started interval=${schedule.timetable.everyMs / 1000}s`)
          return yield* Effect.forever(next)
        }).pipe(Effect.annotateLogs({ schedule: schedule.name }), Effect.withTracerEnabled(false))
      }

      const start = Effect.uninterruptible(Effect.gen(function*() {
        if (state !== "stopped") return yield* Effect.logWarning(`the scheduler is ${state} already: start was ignored`)
        state = "running"
        const intake = yield* Scope.make()
        const work = yield* Scope.make()
        const drain = yield* Scope.provide(
          Drain.make({ drain: options?.drain ?? "25 seconds", grace: options?.grace }),
          work
        )
        cycle = { intake, work, drain }
        for (const schedule of schedules) {
          yield* Scope.provide(supervisor.start(`schedule ${schedule.name}`, loop(schedule, drain)), intake)
        }
      }))

      const stop = Effect.uninterruptible(Effect.gen(function*() {
        if (cycle === undefined || state !== "running") return { completed: 0, interrupted: [], abandoned: [] }
        const { drain, intake, work } = cycle
        state = "stopping"
        yield* Scope.close(intake, Exit.void)
        const report = yield* drain.close
        if (Drain.isCutShort(report)) {
          yield* Effect.logWarning(
            `stopped with work cut short: interrupted [${report.interrupted.join(", ")}], abandoned [${
              report.abandoned.join(", ")
            }]`
          )
        }
        yield* Scope.close(work, Exit.void)
        cycle = undefined
        state = "stopped"
        return report
      }))

      yield* Effect.addFinalizer(() => stop)
      return TaskScheduler.of({ start, stop, status: Effect.sync(() => state) })
    })
  )

type Decision = Effect.Success<ReturnType<ScheduleStore["Service"]["advance"]>>

interface Cycle {
  /** Holds the loops that decide on ticks. */
  readonly intake: Scope.Closeable
  /** Holds the drain, which outlives the loops. */
  readonly work: Scope.Closeable
  readonly drain: Drain.Drain
}

const succeeded = (schedule: string) =>
  Effect.flatMap(
    DateTime.now,
    (now) => Metric.update(Metric.withAttributes(lastSuccess, { schedule }), DateTime.toEpochMillis(now) / 1000)
  )

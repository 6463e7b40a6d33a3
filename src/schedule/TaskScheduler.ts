/**
 * Starts the runs of periodic tasks when they are due.
 *
 *   stopped --start--> running --stop--> stopping --drained--> stopped
 *
 * Every schedule has a supervised loop of its own: decide in one transaction, commit, run outside of it, sleep until
 * the next instant. No instant is decided twice, whatever the number of nodes, and none is forgotten: after a restart it
 * is fired or passed over as the missed policy says, and one whose process died before its work ended shows as
 * abandoned. A run that fails, dies or times out does not stop later ones; a handler that ignores interruption holds
 * its tick open, and with overlap `skip` later ticks are skipped for as long. `stop` waits for work in flight, up to the
 * drain limit and the grace.
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
import * as CapturedContext from "../core/CapturedContext.ts"
import * as Drain from "../core/Drain.ts"
import * as LeaseTiming from "../core/LeaseTiming.ts"
import * as RetryPolicy from "../core/RetryPolicy.ts"
import { Supervisor } from "../core/Supervisor.ts"
import { fromCause } from "../core/TaskError.ts"
import { type PeriodicTask, plan } from "./PeriodicTask.ts"
import {
  type Advanced,
  ScheduleStore,
  type ScheduleStoreUnavailable,
  type TickKey,
  type TickOutcome
} from "./ScheduleStore.ts"

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
      const context = yield* CapturedContext.make<R>()
      const poll = Duration.fromInputUnsafe(options?.poll ?? "1 minute")
      let state: "stopped" | "running" | "stopping" = "stopped"
      let cycle: Cycle | undefined

      // what this process holds: renewed before every decision too, so that one that slept does not abandon its own work
      const open = new Set<TickKey>()
      const renew = Effect.suspend(() => open.size === 0 ? Effect.void : store.renew(Array.from(open)))
      // one that fails is made up for by the next, or the lease runs out
      const renewal = Effect.catch(renew, (error) => Effect.logWarning(error.message)).pipe(
        Effect.delay(LeaseTiming.renewEvery),
        Effect.forever,
        Effect.withTracerEnabled(false)
      )

      const finish = (key: TickKey, outcome: TickOutcome, detail: string | null) =>
        store.finish(key, outcome, detail).pipe(
          Effect.retry(RetryPolicy.patient("20 seconds")),
          Effect.catchCause((cause) =>
            Effect.logError(`the end of a tick of ${key.schedule} could not be recorded`, cause)
          ),
          Effect.ensuring(Effect.sync(() => open.delete(key)))
        )

      const runTick = (schedule: PeriodicTask<R>, key: TickKey) =>
        Effect.uninterruptibleMask((restore) =>
          Effect.gen(function*() {
            // a dispatch that fails has started nothing, and the lease holds while it is tried again
            const accepted = schedule.dispatch({ kind: "schedule", schedule: key.schedule, tick: key.tick }).pipe(
              Effect.retry(RetryPolicy.patient("5 minutes"))
            )
            const exit = yield* Effect.exit(restore(Effect.flatMap(accepted, (run) => run.await)))
            if (Exit.isSuccess(exit)) yield* succeeded(schedule.name)
            yield* Exit.isSuccess(exit)
              ? finish(key, "completed", null)
              : finish(key, "failed", fromCause(exit.cause).message)
          })
        ).pipe(
          // the loop that starts it is not traced, the work is
          Effect.withSpan(`tick ${schedule.name}`, { root: true }),
          Effect.withTracerEnabled(true),
          Effect.provideContext(context)
        )

      // a decision and the ticks that it fires are one piece of work in flight: what is committed is run, and a database
      // that does not answer holds up a stop for no longer than the drain
      const decide = (
        schedule: PeriodicTask<R>,
        atStart: boolean,
        decided: Deferred.Deferred<Advanced, ScheduleStoreUnavailable>
      ) =>
        Effect.uninterruptibleMask((restore) =>
          Effect.gen(function*() {
            const exit = yield* Effect.exit(
              Effect.andThen(renew, store.advance(schedule.name, plan(schedule, atStart)))
            )
            yield* Deferred.done(decided, exit)
            if (Exit.isFailure(exit)) return
            const { atOnce, fired, skipped } = exit.value
            if (skipped > 0) {
              yield* Effect.logWarning(
                `schedule ${schedule.name} skipped ${skipped} tick(s): earlier work has not ended`
              )
              yield* Metric.update(Metric.withAttributes(skippedTotal, { schedule: schedule.name }), skipped)
            }
            for (const key of fired) open.add(key)
            const runs = Effect.forEach(fired, (key) => runTick(schedule, key), { concurrency: atOnce, discard: true })
            yield* restore(Effect.raceFirst(runs, renewal)).pipe(
              // a stop that came before their turn
              Effect.onInterrupt(() =>
                Effect.forEach(
                  fired.filter((key) => open.has(key)),
                  (key) => finish(key, "abandoned", "stopped before it began"),
                  { discard: true }
                )
              )
            )
          })
        )

      const loop = (schedule: PeriodicTask<R>, drain: Drain.Drain) => {
        let atStart = schedule.runOnStart
        const next = Effect.gen(function*() {
          const decided = yield* Deferred.make<Advanced, ScheduleStoreUnavailable>()
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

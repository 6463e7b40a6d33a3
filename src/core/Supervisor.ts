/**
 * Keeps the long-running fibers of a program alive and in sight: schedulers, listeners, sweepers.
 *
 *   running --failed or died--> restarting --delay over--> running
 *   restarting --no delay left--> failed
 *
 * Every failure and defect is counted and reported with its full Cause; of a series that comes faster than one
 * in 10 seconds, one each 10 seconds, with the number of those in between. Whoever watches the health of the program sees
 * each fiber's name, state and failures in a row. Fibers end with the scope in which they were
 * started; one that ends well before has nothing left to do, and is not listed any more.
 */
import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { type Failure, fromCause } from "./TaskError.ts"

/**
 * How one long-running fiber fares. One that ended with its scope is not listed any more.
 *
 * @category models
 */
export interface Status {
  readonly name: string
  readonly state: "running" | "restarting" | "failed"
  /** Failures in a row: counted from anew once the fiber has run for a minute. */
  readonly failures: number
  readonly lastFailure: Failure | null
}

/**
 * Starts long-running fibers and knows how each of them fares.
 *
 * @category services
 */
export class Supervisor extends Context.Service<Supervisor, {
  /**
   * Starts a loop under supervision. `restart` gives the delays before restarts in a row and their limit, from anew once
   * the loop has run for a minute; defaults to exponential from 100 ms to 5 s, jittered, without limit.
   */
  readonly start: <E, R>(
    name: string,
    loop: Effect.Effect<unknown, E, R>,
    options?: { readonly restart?: Schedule.Schedule<unknown> | undefined }
  ) => Effect.Effect<void, never, R | Scope.Scope>
  readonly status: Effect.Effect<ReadonlyArray<Status>>
}>()("ostinato/core/Supervisor") {}

const forever = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("5 seconds")]).pipe(Schedule.jittered)

// a fiber that has run for this long has recovered
const recovered = 60_000

// the shortest time between two reports of one fiber
const quiet = 10_000

const failuresTotal = Metric.counter("ostinato_supervisor_failures_total", {
  description: "Ends of long-running fibers that nobody asked for",
  incremental: true
})

/**
 * A supervisor of its own for what is built upon it.
 *
 * @category layers
 */
export const layer: Layer.Layer<Supervisor> = Layer.sync(Supervisor, () => {
  const fibers = new Map<string, Status>()

  return Supervisor.of({
    start: (name, loop, options) => {
      let status: Status = { name, state: "running", failures: 0, lastFailure: null }
      let since = 0
      let reportedAt = Number.NEGATIVE_INFINITY
      let unreported = 0
      const set = (change: Partial<Status>) => {
        status = { ...status, ...change }
        fibers.set(name, status)
      }
      const told = (cause: Cause.Cause<unknown>, failures: number, now: number) =>
        Effect.suspend(() => {
          const between = unreported === 0 ? "" : `, ${unreported} of them unreported`
          reportedAt = now
          unreported = 0
          return failures === 1
            ? Effect.logError(`${name} stopped and will be restarted`, cause)
            : Effect.logError(`${name} stopped ${failures} times in a row${between}`, cause)
        })
      /** Gives whether it had recovered from its failures before. */
      const ended = (cause: Cause.Cause<unknown>) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) => {
          const hasRecovered = now - since >= recovered
          const failures = hasRecovered ? 1 : status.failures + 1
          set({ state: "restarting", failures, lastFailure: fromCause(cause) })
          return Metric.update(Metric.withAttributes(failuresTotal, { fiber: name }), 1).pipe(
            Effect.andThen(
              now - reportedAt < quiet ? Effect.sync(() => void (unreported += 1)) : told(cause, failures, now)
            ),
            Effect.as(hasRecovered)
          )
        })
      const restarts = Schedule.toStepWithSleep(options?.restart ?? forever)
      return Effect.gen(function*() {
        let restart = yield* restarts
        while (true) {
          since = yield* Clock.currentTimeMillis
          set({ state: "running" })
          const exit = yield* Effect.exit(loop)
          if (Exit.isSuccess(exit)) return
          if (yield* ended(exit.cause)) restart = yield* restarts
          if (Exit.isSuccess(yield* Effect.exit(restart(exit.cause)))) continue
          set({ state: "failed" })
          return yield* Effect.logFatal(`${name} failed for good: its restarts are used up`, exit.cause)
        }
      }).pipe(
        Effect.ensuring(Effect.sync(() => status.state === "failed" || fibers.delete(name))),
        Effect.forkScoped,
        Effect.asVoid
      )
    },
    status: Effect.sync(() => Array.from(fibers.values()))
  })
})

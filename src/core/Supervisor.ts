/**
 * Keeps the long-running fibers of a program alive and in sight: schedulers, listeners, sweepers.
 *
 *   running --failed or died--> restarting --delay over--> running
 *   restarting --no delay left--> failed
 *
 * Every end that was not asked for is counted and reported with its full Cause; of a series that comes faster than one
 * in 10 seconds, one each 10 seconds, with the number of those in between. Whoever watches the health of the program sees
 * each fiber's name, state and failures in a row. Fibers end with the scope in which they were started.
 */
import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { type Failure, fromCause } from "./TaskError.ts"

/**
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
 * @category services
 */
export class Supervisor extends Context.Service<Supervisor, {
  /**
   * Starts a loop under supervision. `restart` gives the delays before restarts and their limit; defaults to
   * exponential from 100 ms to 5 s, jittered, without limit.
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
      const running = Effect.flatMap(Clock.currentTimeMillis, (now) => {
        since = now
        set({ state: "running" })
        return Effect.sandbox(loop)
      })
      const told = (cause: Cause.Cause<unknown>, failures: number, now: number) =>
        Effect.suspend(() => {
          const between = unreported === 0 ? "" : `, ${unreported} of them unreported`
          reportedAt = now
          unreported = 0
          return failures === 1
            ? Effect.logError(`${name} stopped and will be restarted`, cause)
            : Effect.logError(`${name} stopped ${failures} times in a row${between}`, cause)
        })
      const ended = (cause: Cause.Cause<unknown>) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) => {
          const failures = now - since >= recovered ? 1 : status.failures + 1
          set({ state: "restarting", failures, lastFailure: fromCause(cause) })
          return Effect.andThen(
            Metric.update(Metric.withAttributes(failuresTotal, { fiber: name }), 1),
            now - reportedAt < quiet ? Effect.sync(() => void (unreported += 1)) : told(cause, failures, now)
          )
        })
      return running.pipe(
        Effect.tapError(ended),
        Effect.retry(options?.restart ?? forever),
        Effect.matchEffect({
          onSuccess: () => Effect.void,
          onFailure: (cause) =>
            Effect.andThen(
              Effect.sync(() => set({ state: "failed" })),
              Effect.logFatal(`${name} failed for good: its restarts are used up`, cause)
            )
        }),
        Effect.ensuring(Effect.sync(() => status.state === "failed" || fibers.delete(name))),
        Effect.forkScoped,
        Effect.asVoid
      )
    },
    status: Effect.sync(() => Array.from(fibers.values()))
  })
})

/**
 * Keeps the long-running fibers of a program alive and in sight: schedulers, listeners, sweepers.
 *
 *   running --failed or died--> restarting --delay over--> running
 *   restarting --no delay left--> failed
 *
 * Every end that was not asked for is logged with its full Cause. A fiber whose restarts are used up stays `failed`,
 * and whoever watches the health of the program sees its name. Fibers end with the scope in which they were started.
 */
import type * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { type Failure, fromCause } from "./TaskError.ts"

/**
 * @category models
 */
export interface Status {
  readonly name: string
  readonly state: "running" | "restarting" | "failed"
  readonly restarts: number
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

/**
 * @category layers
 */
export const layer: Layer.Layer<Supervisor> = Layer.sync(Supervisor, () => {
  const fibers = new Map<string, Status>()
  const set = (name: string, change: Partial<Status>) => {
    const before = fibers.get(name) ?? { name, state: "running", restarts: 0, lastFailure: null }
    fibers.set(name, { ...before, ...change })
  }
  return Supervisor.of({
    start: (name, loop, options) => {
      const ended = (cause: Cause.Cause<unknown>) =>
        Effect.andThen(
          Effect.sync(() => set(name, { state: "restarting", lastFailure: fromCause(cause) })),
          Effect.logError(`${name} stopped and will be restarted`, cause)
        )
      const running = Effect.suspend(() => {
        const restarts = fibers.get(name)?.state === "restarting" ? (fibers.get(name)?.restarts ?? 0) + 1 : 0
        set(name, { state: "running", restarts })
        return loop
      })
      return Effect.sandbox(running).pipe(
        Effect.tapError(ended),
        Effect.retry(options?.restart ?? forever),
        Effect.matchEffect({
          onSuccess: () => Effect.sync(() => void fibers.delete(name)),
          onFailure: (cause) =>
            Effect.andThen(
              Effect.sync(() => set(name, { state: "failed" })),
              Effect.logFatal(`${name} failed for good: its restarts are used up`, cause)
            )
        }),
        Effect.ensuring(Effect.sync(() => fibers.get(name)?.state === "failed" || fibers.delete(name))),
        Effect.forkScoped,
        Effect.asVoid
      )
    },
    status: Effect.sync(() => Array.from(fibers.values()))
  })
})

/** What the loops of this folder share: patience with a store that is away, and a pause that is never the same for two. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type { JobStoreUnavailable } from "../JobError.ts"

/** Milliseconds between two lines about an outage. */
const quiet = 10_000

/** Most milliseconds between two questions to a store that is away. */
const longest = 2000

/** Runs a step again and again; each gives the milliseconds until the next. */
export const repeated = (
  step: Effect.Effect<number, JobStoreUnavailable>,
  sleep: (ms: number) => Effect.Effect<unknown>
): Effect.Effect<never> => {
  let failures = 0
  let toldAt = Number.NEGATIVE_INFINITY
  const away = (error: JobStoreUnavailable) =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      const isDue = now - toldAt >= quiet
      if (isDue) toldAt = now
      failures += 1
      return { isDue, error }
    }).pipe(
      Effect.tap(({ error, isDue }) =>
        isDue ? Effect.logWarning(`upkeep of jobs waits: ${error.message}`) : Effect.void
      ),
      Effect.andThen(Effect.suspend(() => jittered(Math.min(longest, 100 * 2 ** failures)))),
      Effect.flatMap(Effect.sleep)
    )
  return Effect.forever(
    Effect.matchEffect(step, {
      onFailure: away,
      onSuccess: (ms) => {
        failures = 0
        return sleep(ms)
      }
    })
  )
}

/** A fifth more or less, so that nodes that began together do not stay together. */
export const jittered = (ms: number): Effect.Effect<number> =>
  Effect.map(Random.nextBetween(0.8, 1.2), (factor) => ms * factor)

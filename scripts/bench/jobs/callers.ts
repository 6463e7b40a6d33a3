/** Callers of a library of Effects: fibers that each await one commit before they ask for the next. */
import * as Effect from "effect/Effect"
import type { Payload } from "./JobSystem.ts"

/** Ends when all of them were told that there is no further job. */
export const callingBy = <E, R>(
  add: (job: Payload) => Effect.Effect<unknown, E, R>,
  callers: number,
  next: () => Payload | undefined
): Effect.Effect<void, E, R> => {
  const caller = Effect.gen(function*() {
    for (let job = next(); job !== undefined; job = next()) yield* add(job)
  })
  return Effect.all(Array.from({ length: callers }, () => caller), { concurrency: "unbounded", discard: true })
}

/**
 * Wishes of others about jobs that run here. A wish comes again until it is acknowledged, and is acknowledged when it has
 * come true in the store: when the end of the job is recorded, or when the job turned out to be elsewhere.
 */
import * as Effect from "effect/Effect"
import type { JobId } from "../../Job.ts"
import type { JobStore } from "../../JobStore.ts"
import type { Engine } from "./Engine.ts"
import type { Membership } from "./Membership.ts"
import type { Patience } from "./patience.ts"

/** Milliseconds until wishes that are being carried out are looked at again. */
const again = 100

export const reading = (
  membership: Membership,
  { engine, patience, store }: {
    readonly engine: Engine
    readonly patience: Patience
    readonly store: JobStore["Service"]
  }
): Effect.Effect<void> => {
  const { member } = membership
  return Effect.gen(function*() {
    const wishes = yield* member.mail
    const granted: Array<JobId> = []
    for (const { by, id } of wishes) {
      if (engine.cancel(id, by)) continue
      const answer = yield* Effect.result(patience.ask("cancel", store.cancel([id], by)))
      if (answer._tag === "Success") granted.push(id)
      else yield* patience.told(answer.failure)
    }
    if (granted.length > 0) yield* member.acknowledge(granted)
    if (granted.length < wishes.length) yield* Effect.sleep(again)
  }).pipe(Effect.forever, Effect.withTracerEnabled(false))
}

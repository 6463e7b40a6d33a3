/**
 * When there is something to do that nobody asks for: what a clock may jump to without missing anything.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as limits from "./limits.ts"
import type { Tables } from "./tables.ts"

export const make = (tables: Tables) => ({
  nextMs: Effect.map(Clock.currentTimeMillis, (now) => {
    const job = tables.due.peek()?.at ?? Number.POSITIVE_INFINITY
    const losses = Array.from(
      tables.members.values(),
      ({ expiresAt, running }) => running.size > 0 ? expiresAt : Number.POSITIVE_INFINITY
    )
    const soonest = Math.min(job, limits.next(tables, now), ...losses)
    return soonest === Number.POSITIVE_INFINITY ? null : Math.max(0, Math.ceil(soonest - now))
  }),
  claimable: (queue: string) =>
    Effect.sync(() => {
      const known = tables.queues.get(queue)
      return known === undefined || known.pausedAt !== null ? 0 : known.ready.size()
    })
})

/**
 * Tasks and tenants that are paused, as this worker knows them: never older than a second where it begins jobs. A claim
 * says whether there are any, and only then are they asked for.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { JobStoreUnavailable } from "../../JobError.ts"
import type { Claimed, JobStore } from "../../JobStore.ts"
import type { Patience } from "./patience.ts"

/** Milliseconds for which an answer is good, and for which one is good although something changed. */
const fresh = { unless: 1000, changed: 250 }

export interface Holds {
  /** The hold that keeps a job from starting, if there is one. */
  readonly of: (job: Claimed) => string | null
  /** Learns from what a claim that began at `since` brought, and asks where that says too little. */
  readonly refresh: (jobs: ReadonlyArray<Claimed>, since: number) => Effect.Effect<void, JobStoreUnavailable>
  readonly now: () => number
  /** Notices changes. */
  readonly watch: Effect.Effect<void>
}

export const make = (store: JobStore["Service"], patience: Patience, now: () => number): Holds => {
  const none: ReadonlySet<string> = new Set()
  let known = none
  let askedAt = Number.NEGATIVE_INFINITY
  let isChanged = false
  return {
    of: ({ meta, task }) => {
      if (known.size === 0) return null
      if (known.has(`task:${task}`)) return `task:${task}`
      const tenant = meta.origin?.tenant ?? null
      return tenant !== null && known.has(`tenant:${tenant}`) ? `tenant:${tenant}` : null
    },
    refresh: (jobs, since) => {
      if (!jobs.some(({ mayBeHeld }) => mayBeHeld)) {
        if (since > askedAt) known = none
        return Effect.void
      }
      const at = now()
      if (known.size > 0 && at - askedAt < (isChanged ? fresh.changed : fresh.unless)) return Effect.void
      isChanged = false
      return Effect.map(patience.ask("holds", store.holds.list), (holds) => {
        known = holds
        askedAt = at
      })
    },
    now,
    watch: Stream.runForEach(store.changes, () =>
      Effect.sync(() => {
        isChanged = true
      }))
  }
}

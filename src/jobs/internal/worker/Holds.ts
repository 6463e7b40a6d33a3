/**
 * Tasks and tenants that are paused, as this worker knows them: never older than a second where it begins jobs, and asked
 * for only then.
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
  /** Asks where what is known is too old. */
  readonly refresh: Effect.Effect<void, JobStoreUnavailable>
  /** Notices changes. */
  readonly watch: Effect.Effect<void>
}

export const make = (store: JobStore["Service"], patience: Patience, now: () => number): Holds => {
  let known: ReadonlySet<string> = new Set()
  let askedAt = Number.NEGATIVE_INFINITY
  let isChanged = false
  return {
    of: ({ meta, task }) => {
      if (known.size === 0) return null
      if (known.has(`task:${task}`)) return `task:${task}`
      const tenant = meta.origin?.tenant ?? null
      return tenant !== null && known.has(`tenant:${tenant}`) ? `tenant:${tenant}` : null
    },
    refresh: Effect.suspend(() => {
      if (now() - askedAt < (isChanged ? fresh.changed : fresh.unless)) return Effect.void
      const at = now()
      isChanged = false
      return Effect.map(patience.ask("holds", store.holds.list), (holds) => {
        known = holds
        askedAt = at
      })
    }),
    watch: Stream.runForEach(store.changes, () =>
      Effect.sync(() => {
        isChanged = true
      }))
  }
}

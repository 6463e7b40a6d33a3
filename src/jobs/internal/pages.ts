/** Many jobs, a bounded number at a time. */
import * as Effect from "effect/Effect"
import type { JobId } from "../Job.ts"
import type { JobStoreUnavailable } from "../JobError.ts"
import type { JobFilter } from "../JobFilter.ts"
import { JobStore } from "../JobStore.ts"

const size = 1000

/**
 * Calls for all that is selected. Goes down from the newest job that is there at the beginning, so that what `each` does
 * to jobs, and jobs that come meanwhile, neither hide nor repeat one.
 */
export const pages = <E, R>(
  selection: ReadonlyArray<JobId> | JobFilter,
  each: (ids: ReadonlyArray<JobId>) => Effect.Effect<void, E, R>
): Effect.Effect<void, E | JobStoreUnavailable, R | JobStore> =>
  Effect.gen(function*() {
    const store = yield* JobStore
    if (isList(selection)) {
      const ids = Array.from(new Set(selection))
      for (let at = 0; at < ids.length; at += size) yield* each(ids.slice(at, at + size))
      return
    }
    let before: JobId | null = null
    while (true) {
      const jobs: ReadonlyArray<{ readonly id: JobId }> = yield* store.query({ filter: selection, before, limit: size })
      const last = jobs.at(-1)
      if (last === undefined) return
      yield* each(jobs.map(({ id }) => id))
      if (jobs.length < size) return
      before = last.id
    }
  })

const isList = (selection: ReadonlyArray<JobId> | JobFilter): selection is ReadonlyArray<JobId> =>
  Array.isArray(selection)

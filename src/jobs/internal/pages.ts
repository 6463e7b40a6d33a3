/** Many jobs, a bounded number at a time. */
import * as Effect from "effect/Effect"
import type { Job, JobId } from "../Job.ts"
import type { JobStoreUnavailable } from "../JobError.ts"
import type { JobFilter } from "../JobFilter.ts"
import { JobStore } from "../JobStore.ts"

const size = 1000

/** Most jobs that one call changes unless it is told another number: what it answers is held in memory. */
const most = 100_000

export type Selection = ReadonlyArray<JobId> | JobFilter

/**
 * Calls for all that is selected, at most `limit` of them, and answers whether there are more. Goes down from the newest
 * job that is there at the beginning, so that what `each` does to jobs, and jobs that come meanwhile, neither hide nor
 * repeat one. What a filter found comes along with the ids, as it was then.
 */
export const pages = <E, R>(
  selection: Selection,
  limit: number | undefined,
  each: (ids: ReadonlyArray<JobId>, found: ReadonlyArray<Job> | undefined) => Effect.Effect<void, E, R>
): Effect.Effect<boolean, E | JobStoreUnavailable, R | JobStore> =>
  isList(selection)
    ? listed(selection, limit, (ids) => each(ids, undefined))
    : jobs(selection, { limit, size }, (found) => each(found.map(({ id }) => id), found))

/** The same with the jobs themselves, for a filter. */
export const jobs = <E, R>(
  filter: JobFilter,
  options: { readonly limit: number | undefined; readonly size: number },
  each: (jobs: ReadonlyArray<Job>) => Effect.Effect<void, E, R>
): Effect.Effect<boolean, E | JobStoreUnavailable, R | JobStore> =>
  Effect.gen(function*() {
    const store = yield* JobStore
    let left = Math.max(0, Math.floor(options.limit ?? most))
    let before: JobId | null = null
    while (true) {
      // one more than is left tells whether there are more
      const page: ReadonlyArray<Job> = yield* store.query({
        filter,
        before,
        limit: Math.max(1, Math.min(1000, options.size, left + 1))
      })
      const last = page.at(-1)
      if (last === undefined) return false
      const taken = page.slice(0, left)
      if (taken.length > 0) yield* each(taken)
      left -= taken.length
      if (taken.length < page.length) return true
      before = last.id
    }
  })

const listed = Effect.fnUntraced(function*<E, R>(
  selection: ReadonlyArray<JobId>,
  limit: number | undefined,
  each: (ids: ReadonlyArray<JobId>) => Effect.Effect<void, E, R>
) {
  const all = Array.from(new Set(selection))
  const ids = all.slice(0, limit)
  for (let at = 0; at < ids.length; at += size) yield* each(ids.slice(at, at + size))
  return ids.length < all.length
})

const isList = (selection: Selection): selection is ReadonlyArray<JobId> => Array.isArray(selection)

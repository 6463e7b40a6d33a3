/**
 * Jobs in the hands of operators: looking at them, and changing what becomes of them.
 *
 * What a filter finds is changed page by page, newest first, each page in one statement; jobs that are enqueued meanwhile
 * are left alone. Counts are exact: each job that was found is counted once, by what became of it.
 */
import * as Effect from "effect/Effect"
import { RunContext } from "../core/RunContext.ts"
import type { Cancellation } from "../core/TaskRun.ts"
import { pages } from "./internal/pages.ts"
import type { Job, JobId } from "./Job.ts"
import { JobNotFound, type JobStoreUnavailable } from "./JobError.ts"
import type { JobFilter } from "./JobFilter.ts"
import { JobStore } from "./JobStore.ts"

/**
 * Which jobs: those with these ids, or those that a filter finds.
 *
 * @category models
 */
export type Selection = ReadonlyArray<JobId> | JobFilter

/**
 * A job by its id.
 *
 * @category getters
 */
export const get = (id: JobId): Effect.Effect<Job, JobNotFound | JobStoreUnavailable, JobStore> =>
  Effect.flatMap(JobStore, (store) => store.get(id)).pipe(
    Effect.flatMap((job) => job === null ? Effect.fail(new JobNotFound({ id })) : Effect.succeed(job))
  )

/**
 * The jobs that a filter finds, newest first, a page at a time: `before` is the id of the last one of the page before.
 *
 * @category getters
 */
export const query = (filter: JobFilter, page?: {
  readonly before?: JobId | undefined
  /** From 1 to 1000. Defaults to `100`. */
  readonly limit?: number | undefined
}): Effect.Effect<ReadonlyArray<Job>, JobStoreUnavailable, JobStore> =>
  Effect.flatMap(JobStore, (store) =>
    store.query({
      filter,
      before: page?.before ?? null,
      limit: Math.min(1000, Math.max(1, Math.floor(page?.limit ?? 100)))
    }))

/**
 * How many jobs a filter finds, counted up to a bound so that it stays cheap.
 *
 * @category getters
 */
export const count = (filter: JobFilter, options?: {
  /** Defaults to `10,000`. */
  readonly atMost?: number | undefined
}): Effect.Effect<number, JobStoreUnavailable, JobStore> =>
  Effect.flatMap(JobStore, (store) => store.count(filter, Math.max(1, Math.floor(options?.atMost ?? 10_000))))

/**
 * What became of jobs that were to be cancelled.
 *
 * @category models
 */
export interface Cancelled {
  /** Did not run, and has ended. */
  readonly cancelled: ReadonlyArray<JobId>
  /** Runs, and its worker was asked to stop it. */
  readonly requested: ReadonlyArray<JobId>
  /** Runs, and somebody had asked before. */
  readonly already: ReadonlyArray<JobId>
  /** Had ended. */
  readonly ended: ReadonlyArray<JobId>
  /** There is no such job. */
  readonly unknown: ReadonlyArray<JobId>
}

/**
 * Cancels jobs, by default in the name of the actor of the `RunContext`. One that does not run ends at once; one that runs
 * is interrupted by its worker, wherever that is, and ends when its finalizers have.
 *
 * @category combinators
 */
export const cancel = (
  selection: Selection,
  by?: Partial<Cancellation>
): Effect.Effect<Cancelled, JobStoreUnavailable, JobStore> =>
  Effect.gen(function*() {
    const store = yield* JobStore
    const { actor } = yield* RunContext
    const wish: Cancellation = { actor: by?.actor ?? actor, reason: by?.reason ?? null }
    const found = { cancelled: [], requested: [], already: [], ended: [], unknown: [] } as {
      -readonly [K in keyof Cancelled]: Array<JobId>
    }
    yield* pages(selection, (ids) =>
      Effect.map(store.cancel(ids, wish), (fates) => {
        for (const id of ids) found[fates.get(id) ?? "unknown"].push(id)
      }))
    return found
  })

/**
 * Jobs in the hands of operators: looking at them, and changing what becomes of them.
 *
 * What a filter finds is changed page by page, newest first, each page in one statement; jobs that are enqueued meanwhile
 * are left alone. Answers are exact: each job that was found is in one of their lists, by what became of it.
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { RunContext } from "../core/RunContext.ts"
import type { Cancellation } from "../core/TaskRun.ts"
import * as Part from "./internal/graph/part.ts"
import { pages, type Selection } from "./internal/pages.ts"
import type { Job, JobId } from "./Job.ts"
import { JobNotFound, type JobStoreUnavailable } from "./JobError.ts"
import type { JobFilter } from "./JobFilter.ts"
import { JobStore } from "./JobStore.ts"

/**
 * Which jobs: those with these ids, or those that a filter finds.
 *
 * @category models
 */
export type { Selection }

/**
 * @category models
 */
export interface BulkOptions {
  /** Most jobs that are changed. Defaults to `100,000`. */
  readonly limit?: number | undefined
}

/**
 * @category models
 */
export interface Bulk {
  /** There are jobs beyond the limit, and nothing happened to them. */
  readonly more: boolean
}

/**
 * A job by its id.
 *
 * @category getters
 */
export const get = (id: JobId): Effect.Effect<Job, JobNotFound | JobStoreUnavailable, JobStore> =>
  Effect.flatMap(JobStore, (store) => store.get(id)).pipe(
    Effect.filterOrFail((job) => job !== null, () => new JobNotFound({ id }))
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
export interface Cancelled extends Bulk {
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
 * is interrupted by its worker, wherever that is, and ends when its finalizers have. With the run of a pipeline its stages are
 * cancelled, which are not counted.
 *
 * @category combinators
 */
export const cancel = (
  selection: Selection,
  by?: Partial<Cancellation> & BulkOptions
): Effect.Effect<Cancelled, JobStoreUnavailable, JobStore> =>
  Effect.gen(function*() {
    const store = yield* JobStore
    const wish = yield* wished(by)
    const found = sorted("cancelled", "requested", "already", "ended", "unknown")
    const more = yield* pages(selection, by?.limit, (ids, jobs) =>
      Effect.gen(function*() {
        const fates = yield* store.cancel(ids, wish)
        for (const id of ids) found[fates.get(id) ?? "unknown"].push(id)
        const gone = new Set(ids.filter((id) => fates.get(id) === "cancelled"))
        const ended = jobs?.filter(({ id }) => gone.has(id)) ??
          (gone.size === 0 ? [] : yield* store.getMany(Array.from(gone)))
        const stages = ended.flatMap(stagesOf)
        if (stages.length > 0) yield* store.cancel(stages, wish)
      }))
    return { ...found, more }
  })

/** Of the run of a pipeline, which are of no use without it. */
const stagesOf = (job: Job): ReadonlyArray<JobId> => Array.from(Part.stagesOf(job)?.values() ?? [])

/**
 * What became of jobs that were to be changed.
 *
 * @category models
 */
export interface Changed extends Bulk {
  readonly changed: ReadonlyArray<JobId>
  /** Is in no state in which it could be. */
  readonly unchanged: ReadonlyArray<JobId>
  /** There is no such job. */
  readonly unknown: ReadonlyArray<JobId>
}

/**
 * Gives jobs that do not run another due time. At most 100 years from now, and an instant from 1970 to 9999: what is
 * beyond is drawn in. A delay that cannot be read is a defect.
 *
 * @category combinators
 */
export const reschedule = (
  selection: Selection,
  to: { readonly delay: Duration.Input } | { readonly at: DateTime.DateTime },
  options?: BulkOptions
): Effect.Effect<Changed, JobStoreUnavailable, JobStore> =>
  Effect.suspend(() => {
    const due = "delay" in to
      ? { delayMs: Math.ceil(between(0, Duration.toMillis(Duration.fromInputUnsafe(to.delay)), farthest)) }
      : { runAt: DateTime.makeUnsafe(between(0, DateTime.toEpochMillis(to.at), latest)) }
    return change(selection, options, (store, ids) => store.reschedule(ids, due))
  })

const farthest = Duration.toMillis(Duration.days(36_500))

const latest = Date.UTC(9999, 11, 31)

const between = (least: number, value: number, most: number) => Math.min(most, Math.max(least, value))

/**
 * Makes jobs due now: those that wait for an instant, and ended ones again, but for completed ones, with their attempts
 * counted anew.
 *
 * @category combinators
 */
export const retry = (
  selection: Selection,
  options?: BulkOptions
): Effect.Effect<Changed, JobStoreUnavailable, JobStore> => change(selection, options, (store, ids) => store.retry(ids))

/**
 * Removes payloads, outputs, failures and logs of ended jobs for good, by default in the name of the actor of the
 * `RunContext`. That they were there stays known.
 *
 * @category combinators
 */
export const erase = (
  selection: Selection,
  by?: Partial<Cancellation> & BulkOptions
): Effect.Effect<Changed, JobStoreUnavailable, JobStore> =>
  Effect.flatMap(wished(by), (wish) => change(selection, by, (store, ids) => store.erase(ids, wish)))

const change = (
  selection: Selection,
  options: BulkOptions | undefined,
  apply: (
    store: JobStore["Service"],
    ids: ReadonlyArray<JobId>
  ) => Effect.Effect<ReadonlySet<JobId>, JobStoreUnavailable>
): Effect.Effect<Changed, JobStoreUnavailable, JobStore> =>
  Effect.gen(function*() {
    const store = yield* JobStore
    const found = sorted("changed", "unchanged", "unknown")
    const more = yield* pages(selection, options?.limit, (ids) =>
      Effect.gen(function*() {
        const changed = yield* apply(store, ids)
        const rest = ids.filter((id) => !changed.has(id))
        const there = rest.length === 0 ? [] : yield* store.getMany(rest)
        const known = new Set(there.map(({ id }) => id))
        found.changed.push(...changed)
        for (const id of rest) found[known.has(id) ? "unchanged" : "unknown"].push(id)
      }))
    return { ...found, more }
  })

const wished = (by: Partial<Cancellation> | undefined): Effect.Effect<Cancellation> =>
  Effect.map(RunContext, ({ actor }) => ({ actor: by?.actor ?? actor, reason: by?.reason ?? null }))

const sorted = <const Fate extends string>(...fates: ReadonlyArray<Fate>): Record<Fate, Array<JobId>> =>
  // the keys are exactly the fates
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as said
  Object.fromEntries(fates.map((fate) => [fate, []])) as unknown as Record<Fate, Array<JobId>>

/**
 * Queues as operators see them: their jobs by state, their settings, how many living workers serve them, and what these
 * have got done of late.
 */
import * as Effect from "effect/Effect"
import { type JobSettingRefused, type JobStoreUnavailable, QueueNotFound } from "../jobs/JobError.ts"
import * as JobQueue from "../jobs/JobQueue.ts"
import { JobStore, type QueueState } from "../jobs/JobStore.ts"
import * as QueueStats from "../jobs/QueueStats.ts"
import type { LimitValues, QueueSummary } from "./QueuesApi.ts"

/**
 * Every queue, by name.
 *
 * @category getters
 */
export const list: Effect.Effect<ReadonlyArray<QueueSummary>, JobStoreUnavailable, JobStore> = Effect.map(
  QueueStats.all({ within: "5 seconds" }),
  (queues) => queues.map(({ queue, stats }) => summary(queue, stats)).sort((a, b) => a.name < b.name ? -1 : 1)
)

/**
 * One queue.
 *
 * @category getters
 */
export const get = (name: string): Effect.Effect<QueueSummary, QueueNotFound | JobStoreUnavailable, JobStore> =>
  Effect.flatMap(list, (queues) => {
    const found = queues.find((queue) => queue.name === name)
    return found === undefined ? Effect.fail(new QueueNotFound({ queue: name })) : Effect.succeed(found)
  })

/**
 * Pauses or resumes a queue, and gives it as it is then.
 *
 * @category combinators
 */
export const pause = (
  name: string,
  paused: boolean
): Effect.Effect<QueueSummary, QueueNotFound | JobStoreUnavailable, JobStore> =>
  Effect.andThen(Effect.flatMap(JobStore, (store) => store.pause(name, paused)), get(name))

/**
 * Gives a queue a limit of its own, by the name of the queue, and makes it where it is not; or with null takes every limit
 * from one that is there. Gives it as it is then.
 *
 * @category combinators
 */
export const limit = (
  name: string,
  to: LimitValues | null
): Effect.Effect<QueueSummary, QueueNotFound | JobSettingRefused | JobStoreUnavailable, JobStore> =>
  Effect.gen(function*() {
    // what is set makes the queue, what is taken away does not
    yield* to === null ? get(name) : setLimit(name, to)
    yield* JobQueue.configure(name, { limit: to === null ? null : name })
    return yield* get(name)
  })

/**
 * Makes a limit or changes it.
 *
 * @category combinators
 */
export const setLimit = (
  name: string,
  { permits, rate }: LimitValues
): Effect.Effect<void, JobSettingRefused | JobStoreUnavailable, JobStore> =>
  JobQueue.setLimit(name, {
    ...(permits === null ? {} : { permits }),
    ...(rate === null ? {} : { rate: { units: rate.units, per: rate.perMs, burst: rate.burst } })
  })

const summary = (
  { ageingMs, counts, fair, limit, name, oldestMs, parked, pausedAt }: QueueState,
  { cancelled, completed, discarded, perSecond, runMs, workers }: QueueStats.QueueStats
): QueueSummary => ({
  name,
  pausedAt,
  counts,
  parked,
  oldestMs,
  limit,
  fair,
  ageingMs,
  workers,
  recent: { completed, discarded, cancelled, perSecond, runMs }
})

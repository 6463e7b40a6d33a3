/**
 * How queues fare: what is in them, who serves them and what they have got done of late. Counted from the store, so exact
 * and the same on every node.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { type JobStoreUnavailable, QueueNotFound } from "./JobError.ts"
import { JobStore, type QueueEnds, type QueueState } from "./JobStore.ts"

/**
 * How a queue fares.
 *
 * @category models
 */
export interface QueueStats {
  /** Jobs that have not ended and do not run: available, scheduled, retryable or waiting for others. */
  readonly waiting: number
  readonly running: number
  /** Living workers that serve it, on all nodes. */
  readonly workers: number
  /** Ends within the time that was asked for. */
  readonly completed: number
  readonly discarded: number
  readonly cancelled: number
  /** Completed ones, for each second of that time. */
  readonly perSecond: number
  /** Average run time of the last attempts of those that ended, in milliseconds; null where none of them ran. */
  readonly runMs: number | null
}

/**
 * Over which time ends are counted: the last 5 seconds unless it is said, a millisecond at least, as far back as history is
 * kept.
 *
 * @category models
 */
export interface Within {
  readonly within?: Duration.Input | undefined
}

/**
 * The figures of a queue at this moment, exact and the same on every node: what is in it, and what ended `within` a time,
 * which is the last 5 seconds unless it is said (a millisecond at least) and reaches as far back as history is kept.
 *
 * @category getters
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { JobQueue } from "ostinato/jobs"
 *
 * const busy = Effect.map(
 *   JobQueue.stats("mail", { within: "1 minute" }),
 *   ({ completed, running }) => `${running} run, ${completed} completed in the last minute`
 * )
 * ```
 */
export const stats = (
  name: string,
  options?: Within
): Effect.Effect<QueueStats, JobStoreUnavailable | QueueNotFound, JobStore> =>
  Effect.flatMap(all(options), (queues) => {
    const found = queues.find(({ queue }) => queue.name === name)
    return found === undefined ? Effect.fail(new QueueNotFound({ queue: name })) : Effect.succeed(found.stats)
  })

/**
 * All queues that are known, each with its figures.
 *
 * @category getters
 */
export const all = (
  options?: Within
): Effect.Effect<
  ReadonlyArray<{ readonly queue: QueueState; readonly stats: QueueStats }>,
  JobStoreUnavailable,
  JobStore
> =>
  Effect.gen(function*() {
    const store = yield* JobStore
    const withinMs = Math.min(
      longest,
      Math.max(1, Duration.toMillis(Duration.fromInputUnsafe(options?.within ?? "5 seconds")))
    )
    const [queues, ended, members] = yield* Effect.all([store.queues, store.ends(withinMs), store.members], {
      concurrency: "unbounded"
    })
    const ends = new Map(ended.map((each) => [each.queue, each]))
    return queues.map((queue) => {
      const { counts, name } = queue
      const { queue: _, ...ended } = ends.get(name) ?? nothing
      return {
        queue,
        stats: {
          waiting: counts.available + counts.scheduled + counts.retryable + counts.pending,
          running: counts.running,
          workers: members.filter(({ serves }) => Object.hasOwn(serves, name)).length,
          ...ended,
          perSecond: ended.completed * 1000 / withinMs
        }
      }
    })
  })

/**
 * What an autoscaler asks for.
 *
 * @category models
 */
export interface Backlog {
  /**
   * Jobs that one more worker could run now: due, and neither paused (their queue, task or tenant) nor waiting for a limit or
   * for other jobs.
   */
  readonly runnable: number
  readonly running: number
  /** Milliseconds that the oldest of those that could run has waited; 0 where there is none. */
  readonly oldestMs: number
}

/**
 * How much work of a queue waits for nothing but a worker.
 *
 * @category getters
 */
export const backlog = (name: string): Effect.Effect<Backlog, JobStoreUnavailable | QueueNotFound, JobStore> =>
  Effect.gen(function*() {
    const store = yield* JobStore
    const found = (yield* store.queues).find((queue) => queue.name === name)
    if (found === undefined) return yield* new QueueNotFound({ queue: name })
    const { jobs: runnable, oldestMs } = yield* store.runnable(name)
    return { runnable, running: found.counts.running, oldestMs }
  })

/** Milliseconds: nothing is kept for 100 years. */
const longest = 3_155_760_000_000

const nothing: QueueEnds = { queue: "", completed: 0, discarded: 0, cancelled: 0, runMs: null }

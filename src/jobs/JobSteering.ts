/**
 * What a store of jobs does for operators and for code that steers. `JobStore` says what it promises.
 */
import type * as DateTime from "effect/DateTime"
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { Cancellation, LogLine } from "../core/TaskRun.ts"
import type { Job, JobFailure, JobId, JobState } from "./Job.ts"
import type { JobStoreUnavailable, QueueNotFound } from "./JobError.ts"
import type { JobFilter } from "./JobFilter.ts"

/**
 * How many may run at once by key, how many may start in a time, or both.
 *
 * @category models
 */
export interface Limit {
  readonly name: string
  /** At once, for each key; null: as many as there are. The limit `order` is always there, with one permit and no rate. */
  readonly permits: number | null
  /** `units` each `per` milliseconds, for each key, at most `burst` of them at once; null: no rate. */
  readonly rate: { readonly units: number; readonly perMs: number; readonly burst: number } | null
}

/**
 * @category models
 */
export interface QueueSettings {
  /** Limit that all jobs of the queue obey that name none of their own; null: none. */
  readonly limit: string | null
  /** Tenants take turns. Only an empty queue may change it. */
  readonly fair: boolean
  /**
   * How long a job waits for each step of priority until it goes before a newer one of a better priority, in
   * milliseconds; null: a better priority always goes first. Only an empty queue may change it.
   */
  readonly ageingMs: number | null
}

/**
 * @category models
 */
export interface QueueState extends QueueSettings {
  readonly name: string
  readonly pausedAt: DateTime.Utc | null
  readonly counts: Readonly<Record<Exclude<JobState, "completed" | "cancelled" | "discarded">, number>>
  /** Available jobs that wait for a limit. */
  readonly parked: number
  /** Milliseconds that the oldest available job has waited; 0 where there is none. */
  readonly oldestMs: number
}

/**
 * What a queue has got done within a time: jobs that ended in it, without those that keep no history.
 *
 * @category models
 */
export interface QueueEnds {
  readonly queue: string
  readonly completed: number
  readonly discarded: number
  readonly cancelled: number
  /** Average run time of their last attempts in milliseconds; null where none of them ran. */
  readonly runMs: number | null
}

/**
 * @category models
 */
export interface JobPage {
  readonly filter: JobFilter
  /** Only jobs with smaller ids: the cursor of the next page. */
  readonly before: JobId | null
  /** From 1 to 1000. */
  readonly limit: number
}

/**
 * One attempt that failed, or logged something.
 *
 * @category models
 */
export interface AttemptEntry {
  readonly attempt: number
  readonly epoch: number
  /** When it was claimed; null where its row was not written by this package. */
  readonly startedAt: DateTime.Utc | null
  /** When it ended. */
  readonly at: DateTime.Utc
  readonly failure: JobFailure | null
  readonly logs: ReadonlyArray<LogLine>
}

/**
 * What became of a removal: `unknown` where nothing was there; otherwise what still uses it, in words.
 *
 * @category models
 */
export type Removal = "removed" | "unknown" | { readonly usedBy: string }

type Answer<A> = Effect.Effect<A, JobStoreUnavailable>

/**
 * For operators and for code that steers.
 *
 * @category models
 */
export interface Steering {
  readonly get: (id: JobId) => Answer<Job | null>
  /** Many at once, in any order, those that are there. */
  readonly getMany: (ids: ReadonlyArray<JobId>) => Answer<ReadonlyArray<Job>>
  readonly attempts: (id: JobId) => Answer<ReadonlyArray<AttemptEntry>>
  /** Newest first. */
  readonly query: (page: JobPage) => Answer<ReadonlyArray<Job>>
  /** How many the filter finds, counted up to `atMost`. */
  readonly count: (filter: JobFilter, atMost: number) => Answer<number>
  /**
   * `cancelled` at once where it does not run; `requested` of the member that runs it; `already` where somebody had asked
   * before.
   */
  readonly cancel: (
    ids: ReadonlyArray<JobId>,
    by: Cancellation
  ) => Answer<ReadonlyMap<JobId, "cancelled" | "requested" | "already" | "ended" | "unknown">>
  /** Another due time for jobs that do not run. Answers those that took it. */
  readonly reschedule: (
    ids: ReadonlyArray<JobId>,
    to: { readonly delayMs: number } | { readonly runAt: DateTime.Utc }
  ) => Answer<ReadonlySet<JobId>>
  /** Due now: scheduled and retryable jobs, and discarded and cancelled ones with their attempts counted anew. */
  readonly retry: (ids: ReadonlyArray<JobId>) => Answer<ReadonlySet<JobId>>
  /** Removes payloads, outputs, failures and logs of ended jobs for good; their history stays. */
  readonly erase: (ids: ReadonlyArray<JobId>, by: Cancellation) => Answer<ReadonlySet<JobId>>
  readonly queues: Answer<ReadonlyArray<QueueState>>
  /** Of the queues of which a job ended within so many milliseconds from now. */
  readonly ends: (withinMs: number) => Answer<ReadonlyArray<QueueEnds>>
  /** Jobs that one more worker could run now, and for how long the oldest of them has waited. */
  readonly runnable: (queue: string) => Answer<{ readonly jobs: number; readonly oldestMs: number }>
  readonly pause: (queue: string, paused: boolean) => Effect.Effect<void, JobStoreUnavailable | QueueNotFound>
  /** Makes the queue known where it is not. Answers what stands in the way, or null. */
  readonly configure: (queue: string, settings: Partial<QueueSettings>) => Answer<string | null>
  /**
   * Forgets the settings of a queue that holds no job and that no living worker serves. History stays, and the queue is known
   * again as soon as it is used.
   */
  readonly remove: (queue: string) => Answer<Removal>
  /** Kinds and tenants that are paused, as `task:<name>` and `tenant:<name>`. Releasing one lets its jobs go on. */
  readonly holds: {
    readonly list: Answer<ReadonlySet<string>>
    readonly put: (hold: string) => Answer<void>
    readonly release: (hold: string) => Answer<void>
  }
  readonly limits: {
    readonly list: Answer<ReadonlyArray<Limit>>
    readonly set: (limit: Limit) => Answer<void>
    /**
     * Of one that no queue obeys and no job names that has not ended. Jobs that name it are refused from then on; a node that
     * made such jobs before may go on, and they obey it as it was. Set again it is the same.
     */
    readonly remove: (name: string) => Answer<Removal>
    /** Takes `units` of the rate of a key at once, or says after how many milliseconds to ask again. */
    readonly take: (name: string, key: string, units: number) => Answer<{ readonly retryMs: number }>
    /** Nothing of the key starts for so long: the far side said so. */
    readonly hold: (name: string, key: string, ms: number) => Answer<void>
  }
  /** Elements mean: something about jobs may have changed. At most four a second. */
  readonly changes: Stream.Stream<void>
  /** Members that are alive, with what they serve. */
  readonly members: Answer<
    ReadonlyArray<
      { readonly id: number; readonly node: string; readonly serves: Readonly<Record<string, ReadonlyArray<string>>> }
    >
  >
}

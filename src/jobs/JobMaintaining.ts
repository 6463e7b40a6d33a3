/**
 * What a store of jobs does again and again, on any node. `JobStore` says what it promises.
 */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { JobId } from "./Job.ts"
import type { JobStoreUnavailable } from "./JobError.ts"

/**
 * What became of the jobs of dead workers.
 *
 * @category models
 */
export interface Rescued {
  readonly id: JobId
  readonly queue: string
  /** Discarded: its workers died with it too often, or that was its last attempt. */
  readonly fate: "available" | "discarded" | "cancelled"
}

/**
 * What is kept, and for how long, by how the job ended.
 *
 * @category models
 */
export interface JobRetention {
  /** Defaults to `7 days`. */
  readonly completed?: Duration.Input | undefined
  /** Defaults to `7 days`. */
  readonly cancelled?: Duration.Input | undefined
  /** Defaults to `90 days`. */
  readonly discarded?: Duration.Input | undefined
  /** Most ended jobs that are kept, whatever their age. Defaults to no bound. */
  readonly jobs?: number | undefined
}

type Answer<A> = Effect.Effect<A, JobStoreUnavailable>

/**
 * What must be done again and again, by any node.
 *
 * @category models
 */
export interface Maintaining {
  /** Makes at most `limit` due jobs available, and wakes their queues. Answers how many. */
  readonly promote: (limit: number) => Answer<number>
  /** Milliseconds until the next job is due; null where none is scheduled. */
  readonly nextDueMs: Answer<number | null>
  /** Elements mean: a job was scheduled that is due before all that were known. The first comes at once. */
  readonly scheduled: Stream.Stream<void>
  /** Takes back the jobs of dead workers. */
  readonly rescue: Answer<ReadonlyArray<Rescued>>
  /** Lets parked jobs in as limits allow, and settles what a crash left between a parent and its children. */
  readonly sweep: Answer<void>
  /** Makes room for coming days, and removes what retention no longer keeps. Answers how many jobs went. */
  readonly prune: (retention: JobRetention) => Answer<number>
}

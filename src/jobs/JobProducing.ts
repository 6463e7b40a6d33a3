/**
 * What a store of jobs does for whoever makes them. `JobStore` says what it promises.
 */
import type * as DateTime from "effect/DateTime"
import type * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type { Tx } from "../store/Tx.ts"
import type { Job, JobId, JobMeta } from "./Job.ts"
import type { EnqueueUnknown, JobInvalid, JobStoreUnavailable, OtherTransaction } from "./JobError.ts"

/**
 * What happens where another job holds the unique key. All but `skip` concern a holder that does not run yet; one that
 * runs is left alone, and the new job is its duplicate.
 *
 * - `skip`: the new job is not made.
 * - `replace`: the holder's payload, priority and due time become those of the new job.
 * - `reschedule`: the holder keeps its payload and takes the new due time (debounce).
 *
 * @category models
 */
export type OnConflict = "skip" | "replace" | "reschedule"

/**
 * @category models
 */
export interface NewJob {
  /**
   * Null: the store gives one, with bit 19 clear; `JobQueue.newId` makes others with that bit set, so the two never meet.
   * Given: a second insert with the same id does nothing and answers `duplicate`.
   */
  readonly id: JobId | null
  readonly queue: string
  readonly task: string
  /** In its JSON form. */
  readonly payload: Schema.Json
  readonly meta: JobMeta
  /** From -32768 to 32767, lower first. */
  readonly priority: number
  readonly maxAttempts: number
  /** Milliseconds from now, by the store's clock. `runAt` goes before it. */
  readonly delayMs: number
  readonly runAt: DateTime.Utc | null
  /** Milliseconds from now, by the store's clock, to the deadline, which it notes in `meta`; null: as `meta` has it. */
  readonly deadlineMs: number | null
  readonly unique: {
    /** 32 bytes in hex. */
    readonly key: string
    /** The key is free again then, whatever becomes of the job; null: never. */
    readonly withinMs: number | null
    /** What else frees it: the end of the job, its first start, or nothing. */
    readonly until: "done" | "started" | "forever"
    readonly onConflict: OnConflict
  } | null
  readonly limit: {
    readonly name: string
    readonly key: string
    /** A retry keeps its permit, so the jobs of the key run strictly one after the other. */
    readonly strict: boolean
  } | null
  /** Whose share it takes in a fair queue, and how much of it: 1 is one job of weight 1. */
  readonly tenant: string | null
  readonly cost: number
  /** Other jobs that must end first; they are in the same call, by their place in it, or have these ids. */
  readonly after: ReadonlyArray<{
    readonly parent: number | JobId
    /** Which end of the parent lets this job go on. One that can no longer go on is cancelled. */
    readonly on: "completed" | "failed" | "any"
  }>
}

/**
 * @category models
 */
export interface Enqueued {
  /** Of the new job, or where `duplicate` of the one that is there already. */
  readonly id: JobId
  readonly duplicate: boolean
}

type Answer<A> = Effect.Effect<A, JobStoreUnavailable>

/**
 * For whoever makes jobs. `enqueue` and the writing operations of control join the transaction around them, if it is of the
 * store's client.
 *
 * @category models
 */
export interface Producing {
  /**
   * One statement, one answer per job in the order of the call; none or all are there. `JobInvalid`: one names a limit that
   * is not there, or waits for itself.
   */
  readonly enqueue: (
    jobs: ReadonlyArray<NewJob>
  ) => Effect.Effect<ReadonlyArray<Enqueued>, JobStoreUnavailable | EnqueueUnknown | JobInvalid>
  /**
   * What is asked of this store within is there when the effect succeeds, and nothing of it when it fails. Joins an open
   * transaction of the store's client.
   */
  readonly transaction: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | JobStoreUnavailable, R>
  /** Fails where the open transaction is not one of the store's client. */
  readonly joins: (operation: string) => Effect.Effect<void, OtherTransaction, Tx>
  /** Takes back the jobs that hold these keys and do not run yet, and gives them: the first half of a merge. */
  readonly supersede: (
    keys: ReadonlyArray<string>
  ) => Answer<ReadonlyArray<{ readonly key: string; readonly job: Job }>>
}

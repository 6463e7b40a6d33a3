/**
 * What a store of jobs does for workers. `JobStore` says what it promises.
 */
import type * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { Cancellation, LogLine } from "../core/TaskRun.ts"
import type { Tx } from "../store/Tx.ts"
import type { Job, JobFailure, JobId, JobMeta, JobReport } from "./Job.ts"
import type { JobStoreUnavailable, LeaseLost, OtherTransaction } from "./JobError.ts"

/**
 * A job in the hands of a worker. It goes back as it came.
 *
 * @category models
 */
export interface Claimed {
  readonly id: JobId
  readonly queue: string
  readonly task: string
  readonly payload: Schema.Json
  readonly meta: JobMeta
  /** 1-based, counted at claim, without those that were given back. */
  readonly attempt: number
  readonly maxAttempts: number
  /** How often a worker was lost with it. */
  readonly lost: number
  readonly epoch: number
  /** Milliseconds since 1970 by the store's clock. */
  readonly createdAt: number
  readonly availableAt: number
  readonly startedAt: number
  /** It has jobs that wait for it. */
  readonly awaited: boolean
  /** Tasks or tenants were paused when it was claimed: `holds.list` says which. */
  readonly mayBeHeld: boolean
  /** The driver's own. */
  readonly address: unknown
}

/**
 * A claim that an enqueue of the same process may carry along.
 *
 * @category models
 */
export interface Standby {
  readonly member: Member
  readonly limit: number
  /** To be called once, with what it would have answered had it been a claim of its own. */
  readonly answer: (claimed: Effect.Effect<ReadonlyArray<Claimed>, JobStoreUnavailable>) => void
}

/**
 * How an attempt ended.
 *
 * - `completed`, `discarded`, `cancelled`: the job has ended.
 * - `retry`: again after `delayMs`; the attempt counts.
 * - `snooze`: again after `delayMs`; the attempt is given back. `note` says why.
 * - `hold`: the attempt is given back, and the job waits until `holds.release` of `note`.
 *
 * @category models
 */
export interface End {
  readonly job: Claimed
  readonly outcome: "completed" | "discarded" | "cancelled" | "retry" | "snooze" | "hold"
  readonly delayMs: number
  /** Of a completion; undefined: it gave none. */
  readonly output: Schema.Json | undefined
  readonly failure: JobFailure | null
  readonly note: string | null
  /** Kept with an end; null: nothing was reported. */
  readonly report: JobReport | null
  /** What the attempt logged. */
  readonly logs: ReadonlyArray<LogLine>
}

/**
 * A wish that concerns a job of a member. It comes again until acknowledged.
 *
 * @category models
 */
export interface Mail {
  readonly id: JobId
  readonly by: Cancellation
}

/**
 * A process that works: one lease for all that it runs, kept by the driver until the scope closes.
 *
 * @category models
 */
export interface Member {
  readonly id: number
  readonly node: string
  /** What arrived and was not acknowledged. Waits until there is some. */
  readonly mail: Effect.Effect<ReadonlyArray<Mail>>
  readonly acknowledge: (ids: ReadonlyArray<JobId>) => Effect.Effect<void>
  /** Ends when the lease is lost, or is about to be: nothing that is claimed may go on. */
  readonly lost: Effect.Effect<void>
}

type Answer<A> = Effect.Effect<A, JobStoreUnavailable>

/**
 * For workers.
 *
 * @category models
 */
export interface Working {
  /** Becomes a member. Leaving (the scope) gives back nothing by itself: hand back first. */
  readonly join: (options: {
    readonly node: string
    readonly info: Schema.Json
    /** Tasks that this process has handlers for, by queue; for `explain`. */
    readonly serves: Readonly<Record<string, ReadonlyArray<string>>>
  }) => Effect.Effect<Member, JobStoreUnavailable, Scope.Scope>
  /** Tasks whose jobs the queue holds. */
  readonly tasksOf: (queue: string) => Answer<ReadonlyArray<string>>
  /** At most `limit` jobs of a queue, in order. Empty where the queue is paused or the member is dead. */
  readonly claim: (member: Member, queue: string, limit: number) => Answer<ReadonlyArray<Claimed>>
  /**
   * Until the scope closes, an enqueue of this process into the queue may ask for a claim and carry it along, so that new
   * jobs are claimed by the commit that makes them known. `most` is how many jobs it brings; null: no claim now. A store
   * where a claim is no commit of its own never asks.
   */
  readonly standby: (queue: string, ask: (most: number) => Standby | null) => Effect.Effect<void, never, Scope.Scope>
  /**
   * Ends attempts, each once, and answers the ids that were fenced: they are no longer this member's to end. What is said
   * again, because an answer was lost, changes nothing and is not fenced.
   */
  readonly finish: (member: Member, ends: ReadonlyArray<End>) => Answer<ReadonlySet<JobId>>
  /** As `finish`, in the transaction around it. */
  readonly finishTx: (
    member: Member,
    end: End
  ) => Effect.Effect<void, JobStoreUnavailable | LeaseLost | OtherTransaction, Tx>
  /** Gives claimed jobs back at once, unspent. */
  readonly handBack: (member: Member, jobs: ReadonlyArray<Claimed>) => Answer<void>
  /**
   * In the transaction around it: whether the attempt is the newest of its job. It stays so until the transaction ends, so
   * what else is written there is never that of an older one.
   */
  readonly owns: (member: Member, job: Claimed) => Answer<boolean>
  /**
   * Notes that the member begins this job with nothing else in hand: should it die now, the job is what ended it. `false`:
   * the job is no longer the member's. Null: nothing is alone any more, and of what there is nothing is to blame; `true`.
   */
  readonly isolate: (member: Member, job: Claimed | null) => Answer<boolean>
  /** What the handler says about how far it is. Ignored where the attempt is fenced. */
  readonly progress: (
    member: Member,
    said: ReadonlyArray<{ readonly job: Claimed; readonly value: Schema.Json }>
  ) => Answer<void>
  /** Elements mean: there may be something to claim in the queue. They do not queue up; the first comes at once. */
  readonly wakes: (queue: string) => Stream.Stream<void>
  /** The jobs that a job waits for, or has waited for, ended or not, in the order of their ids. */
  readonly parents: (id: JobId) => Answer<ReadonlyArray<Job>>
}

/**
 * Where durable jobs are kept: the contract between queues, workers and a driver.
 *
 * A driver promises, whatever crashes and whenever:
 * - what `enqueue` acknowledged is there until it ends and its retention is over; in the caller's transaction it is there
 *   when that commits, and only then;
 * - of two claims one gets a job; a job is claimed in the order of (priority, ord, id), due jobs only;
 * - `epoch` counts claims and rescues and never goes back: what an older attempt writes is refused (fenced);
 * - a worker whose lease ran out claims nothing, and its jobs are taken back by whoever calls `rescue`;
 * - a job is discarded by the third of its workers that died, if that one ran nothing else (`isolate`), and by the tenth
 *   whatever it ran; not by workers that were stopped or cut off, as far as that can be told, or came back before;
 * - a unique key has at most one holder, and the loser of an uncommitted holder waits for its end;
 * - no more jobs of a limit key run than it has permits, and no more start in any window than its rate allows;
 * - the store's clock is the only clock.
 *
 * It does nothing by itself but keep the leases of its members: the loops of `maintenance/` call `promote`, `rescue` and
 * `sweep`, on every node, in any order, as often as they like. Drivers: `stores/Memory`, `stores/Postgres`; both pass
 * `jobStoreSuite`.
 */
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { Cancellation, LogLine } from "../core/TaskRun.ts"
import type { Tx } from "../store/Tx.ts"
import type { Job, JobFailure, JobId, JobMeta, JobReport, JobState } from "./Job.ts"
import type {
  EnqueueUnknown,
  JobInvalid,
  JobStoreUnavailable,
  LeaseLost,
  OtherTransaction,
  QueueNotFound
} from "./JobError.ts"
import type { JobFilter } from "./JobFilter.ts"

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
  /** The driver's own. */
  readonly address: unknown
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

/**
 * What became of a removal: `unknown` where nothing was there; otherwise what still uses it, in words.
 *
 * @category models
 */
export type Removal = "removed" | "unknown" | { readonly usedBy: string }

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
    /** Of one that no queue obeys and no job names that has not ended. */
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

/**
 * @category services
 */
export class JobStore
  extends Context.Service<JobStore, Producing & Working & Maintaining & Steering>()("ostinato/jobs/JobStore")
{}

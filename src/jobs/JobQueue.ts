/**
 * Durable jobs: enqueue a task, and it runs on some worker, whatever crashes in between.
 *
 * **Guarantees.** A job that was acknowledged runs at least once, unless it is cancelled, discarded or merged into another.
 * Inside a transaction of the store's client it is there when that commits and only then. Enqueuing with an id again makes
 * no second job. Of all jobs with a unique key at most one is there at a time.
 *
 * **Not promised.** That a job runs once: after a crash it runs again, so a handler must be idempotent, or complete in its
 * own transaction.
 */
import * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Tracer from "effect/Tracer"
import type { RunRef } from "../core/Dispatch.ts"
import * as RunGate from "../core/RunGate.ts"
import type { Any } from "../core/Task.ts"
import type { TaskError } from "../core/TaskError.ts"
import type { Trigger } from "../core/TaskRun.ts"
import type { Tx } from "../store/Tx.ts"
import { dispatched, type Keyed } from "./internal/dispatch.ts"
import * as id from "./internal/payload/id.ts"
import { type EnqueueError, insert } from "./internal/payload/insert.ts"
import type { JobId } from "./Job.ts"
import type { OtherTransaction } from "./JobError.ts"
import type { JobOptions, JobRequest, Unique } from "./JobOptions.ts"
import { type Enqueued, JobStore, type OnConflict } from "./JobStore.ts"

export {
  cancel,
  type Cancelled,
  type Changed,
  count,
  erase,
  get,
  query,
  reschedule,
  retry,
  type Selection
} from "./JobControl.ts"
export { explain } from "./JobExplanation.ts"
export { editing, redrive, type Redriven } from "./JobRedrive.ts"
export { wait as result } from "./JobResult.ts"
export {
  configure,
  drain,
  limits,
  pause,
  paused,
  queue,
  queues,
  remove,
  removeLimit,
  resume,
  setLimit
} from "./QueueControl.ts"
export { backlog, stats } from "./QueueStats.ts"
export type { EnqueueError, JobOptions, JobRequest }

/**
 * Enqueues one job. In an open transaction of the store's client it is there when that commits.
 *
 * @category constructors
 * @example
 * ```ts
 * import { Effect, Layer, Schema } from "effect"
 * import { Supervisor, Task } from "ostinato"
 * import { JobQueue, MemoryJobStore } from "ostinato/jobs"
 *
 * const Send = Task.make("docs.send", { payload: { to: Schema.String } })
 *
 * const program = Effect.gen(function*() {
 *   const options = { queue: "mail", delay: "5 minutes", unique: { by: ["to"] } } as const
 *   const first = yield* JobQueue.enqueue(Send, { to: "ada" }, options)
 *   const second = yield* JobQueue.enqueue(Send, { to: "ada" }, options)
 *   return [second.duplicate, first.id === second.id]
 * })
 *
 * const store = Layer.provide(MemoryJobStore.layer, Supervisor.layer)
 * await Effect.runPromise(Effect.provide(program, store)) // => [true, true]
 * ```
 */
export const enqueue = <T extends Any>(
  task: T,
  payload: T["payload"]["Type"],
  options?: JobOptions<NoInfer<T["payload"]["Type"]>>
): Effect.Effect<Enqueued, EnqueueError, JobStore> =>
  spanned(
    `enqueue ${task.name}`,
    Effect.flatMap(insert([job(task, payload, options)]), ([answer]) =>
      answer === undefined ? Effect.die("the store gave no answer") : Effect.succeed(answer))
  )

/**
 * A job to be enqueued by `enqueueAll`, and one that others of the same call may come `after`.
 *
 * @category constructors
 */
export const job = <T extends Any>(
  task: T,
  payload: T["payload"]["Type"],
  options?: JobOptions<NoInfer<T["payload"]["Type"]>>
): JobRequest => ({ task, payload, options: options ?? {} })

/**
 * Enqueues many jobs of any tasks in one statement: all of them are there, or none. The answers come in the order of the
 * jobs.
 *
 * @category constructors
 * @example
 * ```ts
 * import { Effect, Layer, Schema } from "effect"
 * import { Supervisor, Task } from "ostinato"
 * import { JobQueue, MemoryJobStore } from "ostinato/jobs"
 *
 * const Send = Task.make("docs.send", { payload: { to: Schema.String } })
 * const Report = Task.make("docs.report")
 *
 * const mails = ["ada", "bob"].map((to) => JobQueue.job(Send, { to }))
 * const report = JobQueue.job(Report, {}, { after: mails })
 *
 * const program = Effect.andThen(JobQueue.enqueueAll([...mails, report]), JobQueue.queue("default"))
 * const { counts } = await Effect.runPromise(
 *   Effect.provide(program, Layer.provide(MemoryJobStore.layer, Supervisor.layer))
 * )
 * counts.available // => 2
 * counts.pending // => 1
 * ```
 */
export const enqueueAll = (
  jobs: ReadonlyArray<JobRequest>
): Effect.Effect<ReadonlyArray<Enqueued>, EnqueueError, JobStore> =>
  spanned(`enqueue ${jobs.length} jobs`, insert(jobs))

/** Part of the trace that is there, if there is one: a trace of its own would be kept with every job. */
const spanned = <A, E, R>(name: string, enqueuing: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.contextWith((context: Context.Context<R>) =>
    context.mapUnsafe.has(Tracer.ParentSpan.key) ? Effect.withSpan(enqueuing, name, { kind: "producer" }) : enqueuing
  )

/**
 * As `enqueue`, where it must commit together with the transaction around it: does not compile without one, and fails
 * where the open one belongs to another client.
 *
 * @category constructors
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { SqlClient } from "effect/sql"
 * import { Task } from "ostinato"
 * import { JobQueue } from "ostinato/jobs"
 * import { Database } from "ostinato/store"
 *
 * const Welcome = Task.make("docs.welcome", { payload: { user: Schema.Int } })
 *
 * // both are there, or neither
 * const register = (user: number) =>
 *   Database.Database.transaction(Effect.gen(function*() {
 *     const sql = yield* SqlClient.SqlClient
 *     yield* sql`INSERT INTO users (id) VALUES (${user})`
 *     return yield* JobQueue.enqueueTx(Welcome, { user })
 *   }))
 * ```
 */
export const enqueueTx = <T extends Any>(
  task: T,
  payload: T["payload"]["Type"],
  options?: JobOptions<NoInfer<T["payload"]["Type"]>>
): Effect.Effect<Enqueued, EnqueueError | OtherTransaction, JobStore | Tx> =>
  Effect.flatMap(JobStore, (store) => Effect.andThen(store.joins("enqueueTx"), enqueue(task, payload, options)))

/**
 * A new job id, for an enqueue that may have to be repeated: with the same id it never makes a second job.
 *
 * @category constructors
 */
export const newId: Effect.Effect<JobId> = Effect.map(Clock.currentTimeMillis, id.next)

/**
 * The job id that belongs to something which happened, e.g. an event by its id and its instant: always the same, so that
 * however often it is handled it makes one job. Two names of one instant have the same id once in 2 * 10^9 pairs; then the
 * second is refused with `JobInvalid`.
 *
 * @category constructors
 */
export const idFrom = (name: string, at: DateTime.DateTime): JobId => id.derived(name, DateTime.toEpochMillis(at))

/**
 * What a dispatch says of the jobs that it makes.
 *
 * @category models
 */
export interface DispatchOptions<By extends string>
  extends Omit<JobOptions<unknown>, "unique" | "id" | "after" | "version" | "trigger">
{
  /** As for `enqueue`, without a merge. */
  readonly unique?:
    | Omit<Unique<never>, "by" | "onConflict"> & {
      readonly by?: ReadonlyArray<By> | undefined
      readonly onConflict?: OnConflict | undefined
    }
    | undefined
}

/**
 * Enqueues the invocation as a job. Its run has the id `Job.runIdOf(id)`, and awaiting it works from any process. With a
 * unique key an invocation that is a duplicate is given the run that is there already.
 *
 * With a `PeriodicTask` of mode `enqueue` the job is inserted in the transaction of the tick, so both are there or
 * neither; a tick makes one job, however often it is dispatched.
 *
 * @category constructors
 * @example
 * ```ts
 * import { Schema } from "effect"
 * import { Task } from "ostinato"
 * import { JobQueue } from "ostinato/jobs"
 * import { PeriodicTask, Timetable } from "ostinato/schedule"
 *
 * const Sync = Task.make("docs.sync", { payload: { platform: Schema.String } })
 *
 * const Fortnightly = PeriodicTask.make("docs.fortnightly", {
 *   timetable: Timetable.every("2 weeks"),
 *   task: Sync,
 *   payload: { platform: "github" },
 *   mode: "enqueue",
 *   dispatch: JobQueue.dispatch({ queue: "sync", unique: { by: ["platform"], until: "done" } })
 * })
 *
 * Fortnightly.mode // => "enqueue"
 * ```
 */
export const dispatch = <const By extends string = never>(options?: DispatchOptions<By>) =>
  RunGate.asking(<T extends Any & Keyed<By>>(
    task: T,
    payload: T["payload"]["Type"],
    trigger: Trigger
  ): Effect.Effect<RunRef<T["success"]["Type"], T["error"]["Type"] | TaskError>, EnqueueError, JobStore> =>
    dispatched(task, trigger, (ofTick) =>
      Effect.flatMap(
        insert([{ task, payload, options: { ...options, trigger, id: ofTick } }]),
        ([answer]) => answer === undefined ? Effect.die("the store gave no answer") : Effect.succeed(answer)
      ))
  )

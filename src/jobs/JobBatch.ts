/**
 * Many jobs and one that makes something of all their results: the fold starts when all have ended, however they ended.
 *
 *   job, job, job, … --all ended--> fold
 *
 * The jobs and the fold are enqueued together or not at all. The fold is a job like any other, with retries of its own; it
 * reads the results when it runs, so nothing of them is copied, and it must run before retention takes them.
 */
import * as Effect from "effect/Effect"
import type * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { Attempt } from "../core/Attempt.ts"
import type { Any } from "../core/Task.ts"
import type { TaskError } from "../core/TaskError.ts"
import { type EnqueueError, insert } from "./internal/payload/insert.ts"
import { isEnded, type Job, type JobId, jobIdOf, type JobState } from "./Job.ts"
import { type JobEnded, JobNotFound, type JobStoreUnavailable } from "./JobError.ts"
import type { JobRequest } from "./JobOptions.ts"
import * as JobResult from "./JobResult.ts"
import { type Enqueued, JobStore } from "./JobStore.ts"

/**
 * @category models
 */
export interface EnqueuedBatch {
  /** Its id is that of the batch. */
  readonly fold: Enqueued
  /** In the order of the call. */
  readonly jobs: ReadonlyArray<Enqueued>
}

/**
 * Enqueues jobs, and the one that folds their results. A batch without jobs is folded at once.
 *
 * @category constructors
 * @example
 * ```ts
 * import { Effect, Layer, Result, Schema } from "effect"
 * import { Supervisor, Task } from "ostinato"
 * import { JobBatch, JobQueue, JobWorker, MemoryJobStore } from "ostinato/jobs"
 *
 * const Half = Task.fn("docs.half", { payload: { n: Schema.Int }, success: Schema.Int, error: Schema.String },
 *   ({ n }) => n % 2 === 0 ? Effect.succeed(n / 2) : Effect.fail(`${n} is odd`))
 * const Sum = Task.fn("docs.sum", { success: Schema.Int }, () =>
 *   Effect.map(Effect.orDie(JobBatch.results(Half)), (halves) =>
 *     halves.filter(Result.isSuccess).reduce((sum, { success }) => sum + success, 0)))
 *
 * const program = Effect.gen(function*() {
 *   const { fold } = yield* JobBatch.enqueue({
 *     jobs: [2, 3, 4].map((n) => JobQueue.job(Half, { n })),
 *     fold: JobQueue.job(Sum, {})
 *   })
 *   return yield* JobQueue.result(Sum, fold.id)
 * })
 *
 * const worker = JobWorker.layer({ queues: { default: {} }, tasks: [Half, Sum] })
 * await Effect.runPromise(program.pipe(
 *   Effect.provide(Layer.provideMerge(worker, Layer.provideMerge(MemoryJobStore.layer, Supervisor.layer)))
 * )) // => 3
 * ```
 */
export const enqueue = (batch: {
  /** Made by `JobQueue.job`. */
  readonly jobs: ReadonlyArray<JobRequest>
  /** Made by `JobQueue.job`; its handler reads `JobBatch.results`. */
  readonly fold: JobRequest
}): Effect.Effect<EnqueuedBatch, EnqueueError, JobStore> =>
  Effect.gen(function*() {
    const { fold, jobs } = batch
    const after = [
      ...fold.options.after ?? [],
      ...jobs.map((job) => ({ job, on: "any" as const }))
    ]
    const folding: JobRequest = { ...fold, options: { ...fold.options, after } }
    const parts = [...jobs.map((_, place) => ({ batch: place })), { folds: jobs.length }]
    const answers = yield* insert([...jobs, folding], { parts })
    const last = answers.at(-1)
    if (last === undefined) return yield* Effect.die("the store gave no answer")
    return { fold: last, jobs: answers.slice(0, -1) }
  })

/**
 * In the handler of a fold: how the jobs of one task ended, in the order in which they were given. Those of other tasks of
 * the batch are left out.
 *
 * @category combinators
 */
export const results = <T extends Any>(task: T): Effect.Effect<
  ReadonlyArray<Result.Result<T["success"]["Type"], T["error"]["Type"] | TaskError | JobEnded>>,
  JobNotFound | JobStoreUnavailable,
  Attempt | JobStore
> =>
  Effect.gen(function*() {
    const store = yield* JobStore
    const { runId } = yield* Attempt
    const id = jobIdOf(runId)
    if (id === null) return yield* new JobNotFound({ id: runId })
    const parents = yield* store.parents(id)
    return parents
      .filter((job) => job.task === task.name && isEnded(job.state))
      .map((job) => ({ job, place: placeOf(job) }))
      .sort((a, b) => a.place - b.place)
      .map(({ job }) => JobResult.read(task, job))
  })

const Part = Schema.Struct({ batch: Schema.Int })

const isPart = Schema.is(Part)

/** Jobs that were there before the batch come first. */
const placeOf = ({ meta: { part } }: Job): number => isPart(part) ? part.batch : -1

/**
 * How far a batch is.
 *
 * @category models
 */
export interface BatchStatus {
  /** State of the fold. */
  readonly state: JobState
  readonly jobs: number
  /** Of the jobs, by state; what is not there is none. */
  readonly counts: Readonly<Partial<Record<JobState, number>>>
}

/**
 * How far a batch is, by the id of its fold.
 *
 * @category getters
 */
export const status = (fold: JobId): Effect.Effect<BatchStatus, JobNotFound | JobStoreUnavailable, JobStore> =>
  Effect.gen(function*() {
    const store = yield* JobStore
    const job = yield* store.get(fold)
    if (job === null) return yield* new JobNotFound({ id: fold })
    const parents = yield* store.parents(fold)
    const counts: Partial<Record<JobState, number>> = {}
    for (const { state } of parents) counts[state] = (counts[state] ?? 0) + 1
    return { state: job.state, jobs: parents.length, counts }
  })

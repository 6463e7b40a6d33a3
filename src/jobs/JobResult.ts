/**
 * The typed result of a job, for whoever waits for it, in any process.
 *
 * A result is read from the store, so it outlives the process that gave it, for as long as retention keeps the job.
 * Waiters of a process share their looks; one whose job ended in the same process is told at once.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Any } from "../core/Task.ts"
import { ResultInvalid, TaskError, TaskInterrupted } from "../core/TaskError.ts"
import type { Cancellation } from "../core/TaskRun.ts"
import * as Waiters from "./internal/await/Waiters.ts"
import type { Job, JobId } from "./Job.ts"
import { JobEnded, JobNotFound, JobStoreUnavailable } from "./JobError.ts"
import { JobStore } from "./JobStore.ts"

/**
 * Waits until the job ends, and gives its value, or fails with the task's own error, one of `TaskError`, or `JobEnded`
 * where it ended for another reason. Interrupting the wait leaves the job alone.
 *
 * @category combinators
 */
export const wait = <T extends Any>(
  task: T,
  id: JobId
): Effect.Effect<
  T["success"]["Type"],
  T["error"]["Type"] | TaskError | JobEnded | JobNotFound | JobStoreUnavailable,
  JobStore
> =>
  Effect.gen(function*() {
    const job = yield* Waiters.ended(yield* JobStore, id)
    if (job === null) return yield* new JobNotFound({ id })
    return yield* Effect.fromResult(read(task, job))
  })

/**
 * What an ended job of a task means: its value, or why there is none.
 *
 * @category decoding
 */
export const read = <T extends Any>(
  task: T,
  job: Job
): Result.Result<T["success"]["Type"], T["error"]["Type"] | TaskError | JobEnded> => {
  if (job.state === "completed") {
    return Result.mapError(
      decodeOutput(task, job.output),
      (error) => new ResultInvalid({ task: task.name, detail: error.message })
    )
  }
  const { failure } = job
  if (failure?.error !== undefined) {
    const codec = Schema.toCodecJson(Schema.Union([task.error, TaskError]))
    const error = Schema.decodeResult(codec)(failure.error)
    if (Result.isSuccess(error)) return Result.fail(error.success)
  }
  return Result.fail(
    new JobEnded({
      id: job.id,
      state: job.state,
      detail: failure?.cancellation !== undefined
        ? said(failure.cancellation)
        : failure === null
        ? "without saying why"
        : `${failure.tag}: ${failure.message}`
    })
  )
}

/**
 * Says that attempts of these jobs have ended in this process, so that whoever waits for one of them looks at once. For
 * workers.
 *
 * @category combinators
 */
export const ended = (ids: ReadonlyArray<JobId>): Effect.Effect<void, never, JobStore> =>
  Effect.flatMap(JobStore, (store) => Waiters.tell(store, ids.map((id) => ({ id }))))

/**
 * As `wait`, for whoever knows runs and not jobs: what only a job can meet is a `TaskInterrupted`.
 *
 * @category combinators
 */
export const ofRun = <T extends Any>(
  task: T,
  id: JobId
): Effect.Effect<T["success"]["Type"], T["error"]["Type"] | TaskError, JobStore> =>
  Effect.catchIf(
    wait(task, id),
    (error): error is JobEnded | JobNotFound | JobStoreUnavailable =>
      error instanceof JobEnded || error instanceof JobNotFound || error instanceof JobStoreUnavailable,
    (error) =>
      Effect.fail(
        new TaskInterrupted({ task: task.name, reason: error instanceof JobEnded ? error.detail : error.message })
      )
  )

const decodeOutput = (task: Any, output: Schema.Json | null) => {
  const decode = Schema.decodeUnknownResult(Schema.toCodecJson(task.success))
  const read = decode(output)
  // what has no JSON form is kept as null
  return Result.isFailure(read) && output === null ? Result.orElse(decode(undefined), () => read) : read
}

const said = ({ actor, reason }: Cancellation): string =>
  `${actor === null ? "cancelled" : `cancelled by ${actor}`}${reason === null ? "" : `: ${reason}`}`

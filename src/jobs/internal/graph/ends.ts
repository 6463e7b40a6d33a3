/** How the stages of a graph have ended, read from their jobs. */
import * as Cause from "effect/Cause"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { PipelineStage } from "../../../core/PipelineStages.ts"
import type { StageEnd } from "../../../core/StageJournal.ts"
import { PayloadInvalid, ResultInvalid, TaskDefect, TaskInterrupted, TaskSkipped } from "../../../core/TaskError.ts"
import { isEnded, type Job, type JobId } from "../../Job.ts"
import { JobEnded } from "../../JobError.ts"
import * as JobResult from "../../JobResult.ts"
import type { JobStore } from "../../JobStore.ts"

/** Of those stages whose jobs have ended. */
export const read = Effect.fnUntraced(function*(
  store: JobStore["Service"],
  stages: ReadonlyArray<PipelineStage<unknown>>,
  ids: ReadonlyMap<string, JobId>,
  startedAt: DateTime.Utc
) {
  const wanted = stages.flatMap(({ name }) => ids.get(name) ?? [])
  const jobs = new Map((yield* store.getMany(wanted)).map((job) => [job.id, job]))
  const ends = new Map<string, StageEnd>()
  for (const stage of stages) {
    const id = ids.get(stage.name)
    const job = id === undefined ? undefined : jobs.get(id)
    if (job !== undefined && isEnded(job.state)) ends.set(stage.name, endOf(stage, job, startedAt))
  }
  return ends
})

/** What the end of its job means to a stage. */
export const endOf = (stage: PipelineStage<unknown>, job: Job, startedAt: DateTime.Utc): StageEnd => ({
  ...meaning(stage, job),
  startMs: job.startedAt === null ? null : since(startedAt, job.startedAt),
  runMs: job.startedAt === null || job.finishedAt === null ? 0 : since(job.startedAt, job.finishedAt)
})

const since = (from: DateTime.Utc, to: DateTime.Utc) =>
  Math.max(0, DateTime.toEpochMillis(to) - DateTime.toEpochMillis(from))

type Meaning =
  | { readonly status: "completed"; readonly value: unknown }
  | { readonly status: "failed"; readonly cause: Cause.Cause<unknown> }
  | { readonly status: "skipped"; readonly by: "condition"; readonly reason: string }

const meaning = ({ error, task }: PipelineStage<unknown>, job: Job): Meaning => {
  const result = JobResult.read({ ...task, error }, job)
  if (Result.isSuccess(result)) return { status: "completed", value: result.success }
  const { failure } = result
  if (failure instanceof TaskSkipped) return { status: "skipped", by: "condition", reason: failure.reason }
  return { status: "failed", cause: isForeign(failure) ? Cause.die(failure) : Cause.fail(failure) }
}

/** Not one of the typed errors of a stage: a pipeline passes it on as a defect. */
const isForeign = (failure: unknown) =>
  failure instanceof JobEnded || failure instanceof TaskDefect || failure instanceof TaskInterrupted ||
  failure instanceof PayloadInvalid || failure instanceof ResultInvalid

/**
 * What the jobs of a graph do: a stage decides from the ends of those before it and runs, the closing job makes of all
 * ends what the pipeline would have made of them.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Attempt from "../../../core/Attempt.ts"
import type { PipelineStage, PipelineStages } from "../../../core/PipelineStages.ts"
import * as RetryPolicy from "../../../core/RetryPolicy.ts"
import { type Journal, type StageEnd, StageJournal } from "../../../core/StageJournal.ts"
import type { Storable, Task } from "../../../core/Task.ts"
import { isEnded, type Job, JobId, jobIdOf } from "../../Job.ts"
import * as JobAttempt from "../../JobAttempt.ts"
import type { JobStoreUnavailable } from "../../JobError.ts"
import { JobStore } from "../../JobStore.ts"
import * as PayloadVersion from "../../PayloadVersion.ts"
import * as Waiters from "../await/Waiters.ts"
import * as Ends from "./ends.ts"
import * as Part from "./part.ts"

export type Work<R> = Task<string, Storable, Storable, Storable, R>

/** Of the job of a stage: the closing job, which has the payload of the pipeline and knows all stages. */
export const StagePayload = Schema.Struct({ run: JobId })

export const stageName = (pipeline: string, stage: string): string => `${pipeline}/${stage}`

/** The task of a stage's job: that of the stage, with a payload made of what the stages before it gave. */
export const stageTask = <R>(
  pipeline: Work<R>,
  graph: PipelineStages<R>,
  stage: PipelineStage<R>
): Work<R | JobStore> => ({
  ...stage.task,
  name: stageName(pipeline.name, stage.name),
  payload: StagePayload,
  error: stage.error,
  handler: Effect.gen(function*() {
    const store = yield* JobStore
    const handle = yield* stage.task.handler
    return Effect.fnUntraced(function*(given: unknown) {
      const { run } = yield* Effect.orDie(Schema.decodeUnknownEffect(StagePayload)(given))
      const closing = yield* asked(store.get(run))
      const ids = closing === null ? undefined : Part.stagesOf(closing)
      if (closing === null || ids === undefined) return yield* Attempt.skip(`its pipeline, job ${run}, is gone`)
      if (isEnded(closing.state)) return yield* Attempt.skip(whyEnded(closing))
      const ends = yield* asked(Ends.read(store, graph.stages, ids, closing.createdAt))
      const payload = yield* Effect.orDie(PayloadVersion.decode(pipeline, closing.meta.version ?? 1, closing.payload))
      const decision = yield* stage.decide(payload, ends)
      if (!decision.runs) return yield* Attempt.skip(decision.reason)
      const stop = stopped(store, closing, rivals(stage, graph, ends, ids))
      return yield* Effect.raceFirst(stage.attempt(handle, decision.payload), Effect.flatMap(stop, Attempt.skip))
    })
  })
})

/** The task of the closing job; a job of the pipeline that is no graph runs the pipeline by itself. */
export const closingTask = <R>(pipeline: Work<R>, graph: PipelineStages<R>): Work<R | JobStore> => ({
  ...pipeline,
  handler: Effect.gen(function*() {
    const store = yield* JobStore
    const handle = yield* pipeline.handler
    return Effect.fnUntraced(function*(payload: unknown) {
      const { runId } = yield* Attempt.Attempt
      const id = jobIdOf(runId)
      const job = id === null ? null : yield* asked(store.get(id))
      const ids = job === null ? undefined : Part.stagesOf(job)
      if (job === null || ids === undefined) return yield* handle(payload)
      const ends = yield* asked(Ends.read(store, graph.stages, ids, job.createdAt))
      return yield* Effect.provideService(handle(payload), StageJournal, telling(graph, ends))
    })
  })
})

/** Tells the ends of all stages, so that nothing runs. */
const telling = ({ stages }: PipelineStages<unknown>, ends: ReadonlyMap<string, StageEnd>): Journal => ({
  recall: () => Effect.succeedNone,
  record: () => Effect.void,
  ended: ({ path }) => {
    const [stage] = stages.filter(({ name }) => path.endsWith(`/${name}`)).sort((a, b) => b.name.length - a.name.length)
    return stage === undefined ? undefined : ends.get(stage.name) ?? lost(stage.name)
  }
})

const lost = (stage: string): StageEnd => ({
  status: "failed",
  cause: Cause.die(new Error(`the job of stage ${stage} is no longer kept`)),
  startMs: null,
  runMs: 0
})

/** Stages whose failure would stop the pipeline while this one runs. */
const rivals = (
  stage: PipelineStage<unknown>,
  { mode, stages }: PipelineStages<unknown>,
  ends: ReadonlyMap<string, StageEnd>,
  ids: ReadonlyMap<string, JobId>
): ReadonlyArray<readonly [PipelineStage<unknown>, JobId]> =>
  mode === "collect"
    ? []
    : stages.flatMap((other) => {
      const id = ids.get(other.name)
      return id === undefined || !other.isFatal || other.name === stage.name || ends.has(other.name) ||
          stage.before.has(other.name) || other.before.has(stage.name)
        ? []
        : [[other, id] as const]
    })

/** Waits until there is no more use for the stage, and says why. */
const stopped = (
  store: JobStore["Service"],
  closing: Job,
  others: ReadonlyArray<readonly [PipelineStage<unknown>, JobId]>
): Effect.Effect<string> =>
  Effect.raceAllFirst([
    Effect.map(end(store, closing.id), (job) => job === null ? "its pipeline is gone" : whyEnded(job)),
    ...others.map(([other, id]) =>
      Effect.flatMap(end(store, id), (job) =>
        job !== null && Ends.endOf(other, job, closing.createdAt).status === "failed"
          ? Effect.succeed(`${other.name} failed`)
          : Effect.never)
    )
  ])

const end = (store: JobStore["Service"], id: JobId): Effect.Effect<Job | null> =>
  // an outage is no reason to stop
  Effect.catch(
    Waiters.ended(store, id),
    () => Effect.delay(Effect.suspend(() => end(store, id)), "5 seconds")
  )

const whyEnded = ({ failure, state }: Job): string => {
  const by = failure?.cancellation
  return `its pipeline was ${state}${by?.actor == null ? "" : ` by ${by.actor}`}${
    by?.reason == null ? "" : `: ${by.reason}`
  }`
}

/** What the store is asked before the work begins: without an answer it begins later. */
const asked = <A>(answer: Effect.Effect<A, JobStoreUnavailable>) =>
  Effect.catch(
    Effect.retry(answer, RetryPolicy.patient("20 seconds")),
    (error) => JobAttempt.snooze("10 seconds", error.message)
  )

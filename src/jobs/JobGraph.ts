/**
 * Pipelines whose stages are jobs: each stage runs on some worker, and none that has completed runs again, whatever
 * crashes.
 *
 *   first stages --> stages that come after them --> … --> closing job
 *
 * The closing job is the run of the pipeline: it has the payload, waits for all stages, and ends with the value of the
 * pipeline or with its error. When a stage starts, the ends of those before it decide whether it runs, as `when` and
 * `onParentFailure` of the pipeline say; one that does not is cancelled, with the reason. Where a failure stops the pipeline,
 * stages that run are interrupted and those that wait do not begin. Cancelling the closing job cancels the stages. A stage
 * that is itself a pipeline is one job.
 *
 * Workers of its queues need `JobGraph.tasks`.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { RunRef } from "../core/Dispatch.ts"
import type { PipelineInvalid } from "../core/PipelineError.ts"
import * as PipelineStages from "../core/PipelineStages.ts"
import * as RunGate from "../core/RunGate.ts"
import type { Any, Requires } from "../core/Task.ts"
import type { TaskError } from "../core/TaskError.ts"
import type { Trigger } from "../core/TaskRun.ts"
import { dispatched, type Keyed } from "./internal/dispatch.ts"
import * as Insert from "./internal/graph/insert.ts"
import * as Part from "./internal/graph/part.ts"
import { closingTask, stageTask, type Work } from "./internal/graph/work.ts"
import * as id from "./internal/payload/id.ts"
import type { EnqueueError } from "./internal/payload/insert.ts"
import { isEnded, type JobId } from "./Job.ts"
import { get } from "./JobControl.ts"
import { JobInvalid, type JobNotFound } from "./JobError.ts"
import type { Unique } from "./JobOptions.ts"
import { type Enqueued, JobStore } from "./JobStore.ts"
import * as PayloadVersion from "./PayloadVersion.ts"

/**
 * What may be said of a run of a pipeline when it is enqueued.
 *
 * @category models
 */
export interface GraphOptions<Field extends string> extends Insert.GraphOptions {
  /** At most one run with this key; `done` is the end of the whole. */
  readonly unique?: {
    /** Fields of the payload that must be equal. Defaults to all. */
    readonly by?: ReadonlyArray<Field> | undefined
    readonly within?: Unique<unknown>["within"]
    readonly until?: "done" | "forever" | undefined
  } | undefined
}

/**
 * The tasks that a worker needs to run a pipeline as jobs: the pipeline itself, and one for each stage. Throws
 * `PipelineInvalid` where the stages make no pipeline, and where there are none.
 *
 * @category constructors
 */
export const tasks = <T extends Any>(pipeline: T): ReadonlyArray<Work<Requires<T> | JobStore>> => {
  // every task is one of these; `Any` has forgotten its parameters
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as said
  const work = pipeline as unknown as Work<Requires<T>>
  const graph = PipelineStages.of(pipeline)
  if (graph === undefined) throw new JobInvalid({ task: pipeline.name, detail: noPipeline })
  const stages = Result.getOrThrow(graph)
  return [closingTask(work, stages), ...stages.stages.map((stage) => stageTask(work, stages, stage))]
}

/**
 * Enqueues a run of a pipeline: the jobs of its stages and the one that closes it are there together, or not at all. The
 * answer is that of the closing job, whose id is the run; `JobQueue.result` gives its typed result.
 *
 * @category constructors
 * @example
 * ```ts
 * import { Effect, Layer, Schema } from "effect"
 * import { Pipeline, Supervisor, Task } from "ostinato"
 * import { JobGraph, JobQueue, JobWorker, MemoryJobStore } from "ostinato/jobs"
 *
 * const Words = Task.fn("docs.words", { payload: { text: Schema.String }, success: Schema.Array(Schema.String) },
 *   ({ text }) => Effect.succeed(text.split(" ")))
 * const Count = Task.fn("docs.count", { payload: { words: Schema.Array(Schema.String) }, success: Schema.Int },
 *   ({ words }) => Effect.succeed(words.length))
 *
 * const Report = Pipeline.make("docs.report", { payload: { text: Schema.String } }).pipe(
 *   Pipeline.stage("words", Words, { input: ({ payload }) => payload }),
 *   Pipeline.stage("count", Count, { input: ({ words }) => ({ words }) })
 * )
 *
 * const program = Effect.gen(function*() {
 *   const { id } = yield* JobGraph.enqueue(Report, { text: "to be or not" })
 *   return (yield* JobQueue.result(Report, id)).count
 * })
 *
 * const worker = JobWorker.layer({ queues: { default: {} }, tasks: JobGraph.tasks(Report) })
 * await Effect.runPromise(program.pipe(
 *   Effect.provide(Layer.provideMerge(worker, Layer.provideMerge(MemoryJobStore.layer, Supervisor.layer)))
 * )) // => 4
 * ```
 */
export const enqueue = <T extends Any>(
  pipeline: T,
  payload: T["payload"]["Type"],
  options?: GraphOptions<keyof NoInfer<T["payload"]["Type"]> & string>
): Effect.Effect<Enqueued, EnqueueError, JobStore> =>
  Effect.gen(function*() {
    const stages = yield* known(pipeline)
    const run = options?.id ?? id.next(yield* Clock.currentTimeMillis)
    return yield* Insert.insert({ pipeline, stages, payload, options: options ?? {}, done: new Map() }, run)
  })

/**
 * Enqueues each invocation of a pipeline as a graph: `JobQueue.dispatch` for pipelines.
 *
 * @category constructors
 */
export const dispatch = <const By extends string = never>(
  options?: Omit<GraphOptions<By>, "id" | "after" | "trigger">
) =>
  RunGate.asking(<T extends Any & Keyed<By>>(
    pipeline: T,
    payload: T["payload"]["Type"],
    trigger: Trigger
  ): Effect.Effect<RunRef<T["success"]["Type"], T["error"]["Type"] | TaskError>, EnqueueError, JobStore> =>
    dispatched(pipeline, trigger, (ofTick) =>
      Effect.gen(function*() {
        const stages = yield* known(pipeline)
        const run = ofTick ?? id.next(yield* Clock.currentTimeMillis)
        const said = { ...options, trigger }
        return yield* Insert.insert({ pipeline, stages, payload, options: said, done: new Map() }, run)
      }))
  )

/**
 * Runs what is left of a run that did not complete: a new run with the same payload, in which stages that have completed
 * count as done. Everything else starts anew.
 *
 * @category constructors
 */
export const resume = (
  pipeline: Any,
  run: JobId,
  options?: Omit<Insert.GraphOptions, "trigger">
): Effect.Effect<Enqueued, EnqueueError | JobNotFound, JobStore> =>
  Effect.gen(function*() {
    const store = yield* JobStore
    const stages = yield* known(pipeline)
    const refuse = (detail: string) => new JobInvalid({ task: pipeline.name, detail })
    const old = yield* get(run)
    const ids = Part.stagesOf(old)
    if (old.task !== pipeline.name || ids === undefined) return yield* refuse(`job ${run} is no run of this pipeline`)
    if (!isEnded(old.state)) return yield* refuse(`job ${run} is ${old.state}: it goes on by itself`)
    if (old.state === "completed") return yield* refuse(`job ${run} has completed: nothing of it is left`)
    const jobs = yield* store.getMany(Array.from(ids.values()))
    const completed = new Set(jobs.filter(({ state }) => state === "completed").map((job) => job.id))
    const payload = yield* Effect.mapError(
      PayloadVersion.decode(pipeline, old.meta.version ?? 1, old.payload),
      (error) => refuse(error.message)
    )
    const again = id.next(yield* Clock.currentTimeMillis)
    return yield* Insert.insert({
      pipeline,
      stages,
      payload,
      options: { queue: old.queue, priority: old.priority, tags: old.meta.tags, ...options },
      done: new Map(Array.from(ids).filter(([, id]) => completed.has(id)))
    }, options?.id ?? again)
  })

const noPipeline = "it is no pipeline: enqueue it by JobQueue"

const known = (pipeline: Any): Effect.Effect<PipelineStages.PipelineStages<unknown>, JobInvalid> => {
  const refuse = (detail: string) => Effect.fail(new JobInvalid({ task: pipeline.name, detail }))
  const stages: Result.Result<PipelineStages.PipelineStages<unknown>, PipelineInvalid> | undefined = PipelineStages.of(
    pipeline
  )
  if (stages === undefined) return refuse(noPipeline)
  return Result.isFailure(stages) ? refuse(stages.failure.message) : Effect.succeed(stages.success)
}

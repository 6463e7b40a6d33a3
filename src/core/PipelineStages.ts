/**
 * The stages of a pipeline one by one, for whoever runs each apart from the others: as jobs on many nodes, for instance.
 *
 * Whether a stage runs, and with which payload, follows from how the stages before it have ended. What all ends come to
 * follows from the pipeline's own code, run with a `StageJournal` that tells them. So a pipeline means the same wherever
 * its stages run.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { Attempt } from "./Attempt.ts"
import * as Executor from "./Executor.ts"
import { errorsOf } from "./internal/pipeline/assembly.ts"
import { isFatal, Place, type Places } from "./internal/pipeline/Place.ts"
import * as Plan from "./internal/pipeline/plan.ts"
import { decided, inputsOf, obstacleOf } from "./internal/pipeline/stage.ts"
import type { Mode } from "./internal/pipeline/typed.ts"
import type { PipelineInvalid } from "./PipelineError.ts"
import type { StageEnd } from "./StageJournal.ts"
import type { Any, Handle, Requires, Storable, Task } from "./Task.ts"

/**
 * A pipeline taken apart.
 *
 * @category models
 */
export interface PipelineStages<out R> {
  readonly mode: Mode
  /** Stages that may run at once; undefined: all that can. */
  readonly concurrency: number | undefined
  /** Each comes after those that it waits for. */
  readonly stages: ReadonlyArray<PipelineStage<R>>
}

/**
 * One stage, to be run apart from the others.
 *
 * @category models
 */
export interface PipelineStage<out R> {
  readonly name: string
  /** Stages that it waits for. */
  readonly after: ReadonlyArray<string>
  /** Those, and all that have ended before them. */
  readonly before: ReadonlySet<string>
  /** Its failure is to end the pipeline. */
  readonly isFatal: boolean
  /** Its task with the timeout and the retry policy of the stage. */
  readonly task: Task<string, Storable, Storable, Storable, R>
  /** All that it may fail with. */
  readonly error: Storable
  /** Whether it runs, and with which payload, now that those before it have ended so. */
  readonly decide: (payload: unknown, ends: ReadonlyMap<string, StageEnd>) => Effect.Effect<Decision>
  /** One attempt, where the stage wants it to run. */
  readonly attempt: (
    handle: Handle<Storable, Storable, Storable>,
    payload: unknown
  ) => Effect.Effect<unknown, unknown, Scope.Scope | Attempt>
}

/**
 * @category models
 */
export type Decision =
  | { readonly runs: true; readonly payload: unknown }
  | { readonly runs: false; readonly by: "dependency" | "condition" | "stop"; readonly reason: string }

/**
 * Takes a pipeline apart. Undefined where the task is none.
 *
 * @category constructors
 * @example
 * ```ts
 * import { Effect, Result, Schema } from "effect"
 * import { Pipeline, PipelineStages, Task } from "ostinato"
 *
 * const Count = Task.fn("docs.count", { payload: { text: Schema.String }, success: Schema.Int },
 *   ({ text }) => Effect.succeed(text.length))
 * const Report = Pipeline.make("docs.report", { payload: { text: Schema.String } }).pipe(
 *   Pipeline.stage("first", Count, { input: ({ payload }) => payload }),
 *   Pipeline.stage("second", Count, { input: ({ first }) => ({ text: String(first) }) })
 * )
 *
 * const apart = PipelineStages.of(Report)
 * const names = apart === undefined ? [] : Result.getOrThrow(apart).stages.map(({ name }) => name)
 * names // => ["first", "second"]
 * ```
 */
export const of = <T extends Any>(
  task: T
): Result.Result<PipelineStages<Requires<T>>, PipelineInvalid> | undefined => {
  if (!isPipeline<Requires<T>>(task)) return undefined
  const { concurrency, mode, name, stages } = task
  return Result.map(Plan.make(name, stages), (planned) => ({
    mode,
    concurrency,
    stages: planned.map((stage) => stageOf(stage, planned, mode))
  }))
}

interface Staged<R> {
  readonly name: string
  readonly mode: Mode
  readonly concurrency: number | undefined
  readonly stages: ReadonlyArray<Plan.Definition<R>>
}

// a task made of a pipeline by `output` still has its stages
const isPipeline = <R>(task: Any): task is Any & Staged<R> =>
  Predicate.hasProperty(task, "stages") && Array.isArray(task.stages) && Predicate.hasProperty(task, "mode")

const stageOf = <R>(
  stage: Plan.Planned<R>,
  all: ReadonlyArray<Plan.Planned<R>>,
  mode: Mode
): PipelineStage<R> => ({
  name: stage.name,
  after: stage.after,
  before: stage.before,
  isFatal: !stage.isTolerated,
  task: stage.task,
  error: Schema.Union(errorsOf(stage)),
  decide: (payload, ends) =>
    Effect.suspend((): Effect.Effect<Decision> => {
      const places = placesOf(all, ends)
      const fatal = mode === "failFast" ? Array.from(places.values()).find(isFatal) : undefined
      const obstacle = fatal === undefined
        ? obstacleOf(stage.parents, (name) => ends.get(name))
        : {
          status: "skipped",
          by: stage.before.has(fatal.name) ? "dependency" : "stop",
          reason: `${fatal.name} failed`
        } as const
      if (obstacle?.status === "skipped") {
        return Effect.succeed({ runs: false, by: obstacle.by, reason: obstacle.reason })
      }
      const inputs = inputsOf(new Place(planned(stage)), { payload, places })
      const goes = stage.when === undefined ? Effect.succeed(true) : decided(stage.when(inputs))
      return Effect.map(goes, (runs): Decision =>
        runs
          ? { runs, payload: stage.input(inputs) }
          : { runs, by: "condition", reason: "its condition was not met" })
    }),
  attempt: (handle, payload) => {
    const work = Effect.suspend(() => handle(payload))
    const { executor } = stage
    return executor === undefined
      ? work
      : Effect.contextWith((context: Context.Context<Scope.Scope | Attempt>) =>
        Executor.run(
          executor,
          stage.task.name,
          Effect.provideContext(work, Context.pick(Scope.Scope, Attempt)(context))
        )
      )
  }
})

const placesOf = <R>(all: ReadonlyArray<Plan.Planned<R>>, ends: ReadonlyMap<string, StageEnd>): Places =>
  new Map(all.map((stage) => {
    const place = new Place(planned(stage))
    const end = ends.get(stage.name)
    if (end !== undefined) place.settle(end, 0n)
    return [stage.name, place]
  }))

/** Its functions are called, its task is not. */
const planned = <R>(stage: Plan.Planned<R>): Plan.Planned<never> =>
  // what the task needs is not asked for here
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as said
  stage as unknown as Plan.Planned<never>

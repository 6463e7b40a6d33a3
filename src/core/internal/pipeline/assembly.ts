/**
 * How stages become a task: its Schemas, and a handler that needs the handlers of all stages.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { type Pipeable, pipeArguments } from "effect/Pipeable"
import * as Result from "effect/Result"
import type * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { type Executor, ExecutorFailed } from "../../Executor.ts"
import { type PipelineInvalid, stageError, stageErrors } from "../../PipelineError.ts"
import * as Task from "../../Task.ts"
import { TaskError, TaskTimeout } from "../../TaskError.ts"
import { resolved } from "../attempt.ts"
import { graceAround } from "../bounded.ts"
import { isPlain } from "./Place.ts"
import * as Plan from "./plan.ts"
import { run } from "./run.ts"
import type { Mode, Policy } from "./typed.ts"

/** What a pipeline is besides its stages. */
export interface Shape {
  readonly name: string
  readonly payload: Task.Storable
  readonly mode: Mode
  readonly concurrency: number | undefined
}

type Erased<R> = Task.Task<string, Task.Storable, Task.Storable, Task.Storable, R>

interface Made<R> extends Erased<R>, Shape, Pipeable {
  readonly name: string
  readonly payload: Task.Storable
  readonly stages: ReadonlyArray<Plan.Definition<R>>
}

/** Stages that the compiler has checked. If it was deceived, whoever runs the task is told. */
export const make = <R>(shape: Shape, stages: ReadonlyArray<Plan.Definition<R>>): Made<R> =>
  Result.getOrElse(checked(shape, stages), (invalid) => ({
    ...made<R>(shape, [], []),
    stages,
    handler: Effect.die(invalid)
  }))

/** Stages that nobody has checked. */
export const checked = <R>(
  shape: Shape,
  stages: ReadonlyArray<Plan.Definition<R>>
): Result.Result<Made<R>, PipelineInvalid> =>
  Result.map(Plan.make(shape.name, stages), (planned) => made(shape, stages, planned))

/** The types of `Pipeline` say what the stages come to; the compiler cannot follow them through a list. */
export const typed = (task: unknown): never =>
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as said
  task as never

/** One stage, its options applied to its task. */
export const define = <R>(name: string, task: Task.Any, options: {
  readonly after?: ReadonlyArray<string> | undefined
  readonly onParentFailure?: Policy | undefined
  readonly input: (inputs: never) => unknown
  readonly when?: ((inputs: never) => boolean | Effect.Effect<boolean>) | undefined
  readonly retry?: Schedule.Schedule<unknown, never> | undefined
  readonly timeout?: Duration.Input | undefined
  readonly executor?: Executor | undefined
}): Plan.Definition<R> => ({
  name,
  task: typed({
    ...task,
    ...(options.timeout === undefined ? {} : { timeout: Duration.fromInputUnsafe(options.timeout) }),
    ...(options.retry === undefined ? {} : { retry: options.retry })
  }),
  after: options.after,
  onParentFailure: options.onParentFailure ?? "stop",
  input: options.input,
  when: options.when,
  executor: options.executor
})

const made = <R>(
  shape: Shape,
  stages: ReadonlyArray<Plan.Definition<R>>,
  planned: ReadonlyArray<Plan.Planned<R>>
): Made<R> => ({
  ...Task.fn(shape.name, {}, () => Effect.void),
  ...shape,
  stages,
  success: Schema.Struct(
    Object.fromEntries(planned.map((stage) => [
      stage.name,
      isPlain(stage)
        ? stage.task.success
        : Schema.Result(stage.task.success, Schema.Union([...errorsOf(stage), TaskError]))
    ]))
  ),
  error: errorOf(shape, planned),
  grace: graceAround(planned.map(({ task }) => task)),
  handler: Effect.map(
    Effect.forEach(planned, (stage) => Effect.map(resolved(stage.task), (task) => ({ ...stage, task }))),
    (stages) => (payload) =>
      run({ pipeline: shape.name, mode: shape.mode, concurrency: shape.concurrency, stages }, payload)
  ),
  pipe() {
    return pipeArguments(this, arguments)
  }
})

/** What a stage may fail with. */
export const errorsOf = ({ executor, task }: Plan.Definition<unknown>): ReadonlyArray<Task.Storable> =>
  executor === undefined ? [task.error, TaskTimeout] : [task.error, TaskTimeout, ExecutorFailed]

const errorOf = ({ mode }: Shape, planned: ReadonlyArray<Plan.Planned<unknown>>): Task.Storable => {
  const errors = planned.filter(({ isTolerated }) => !isTolerated).map((stage) =>
    stageError(stage.name, Schema.Union(errorsOf(stage)))
  )
  return mode === "collect" && errors.length > 0 ? stageErrors(Schema.Union(errors)) : Schema.Union(errors)
}

/**
 * A task made of stages: in sequence, side by side, or as a graph. A pipeline is a task like any other: it is started,
 * retried, recorded and composed like one, and any task can be a stage, also another pipeline.
 *
 * The stages of one run:
 *
 *   waiting --all parents have ended--> ready --> running --> completed | failed | interrupted
 *      |                                  |
 *      |                                  +--gave its value before, says the StageJournal--> completed
 *      |                                  +--`when` says no--> skipped (condition)
 *      +--a parent failed or was skipped--> skipped (dependency)
 *      +--the pipeline has stopped--> skipped (stop)
 *
 * A stage starts after all stages that it comes after have ended, and succeeds at most once in an attempt of the pipeline.
 * Where a failure stops the pipeline, what runs is interrupted in the same turn and what comes after it never starts; the
 * pipeline fails when all finalizers have ended or used up their grace. A crash loses the run, and a further attempt begins
 * anew, unless a `StageJournal` keeps what the stages gave: then an attempt of the same run repeats only what had not
 * completed.
 */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type { Pipeable } from "effect/Pipeable"
import * as Result from "effect/Result"
import type * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type { Executor } from "./Executor.ts"
import * as Assembly from "./internal/pipeline/assembly.ts"
import type { Definition } from "./internal/pipeline/plan.ts"
import type * as Typed from "./internal/pipeline/typed.ts"
import type { Mode, OnParentFailure, Stages } from "./internal/pipeline/typed.ts"
import type { PipelineError, PipelineErrors, PipelineInvalid } from "./PipelineError.ts"
import * as Task from "./Task.ts"
import type { Storable } from "./Task.ts"
import type { TaskTimeout } from "./TaskError.ts"

export { PipelineError, PipelineErrors, PipelineInvalid } from "./PipelineError.ts"
export type { Mode, OnParentFailure, Stages }

/**
 * A task made of stages. Its value is a struct of what they gave: a `Result` where a stage may be skipped, or may fail
 * while the pipeline goes on, else the value itself.
 *
 * @category models
 */
export interface Pipeline<
  Name extends string,
  Payload extends Storable,
  S extends Stages,
  /** The stage written last: the next one comes after it unless it says otherwise. */
  Last extends string,
  M extends Mode,
  Requires
> extends Task.Task<Name, Payload, Codec<Typed.Values<S>>, Codec<Typed.Failure<S, M>>, Requires>, Pipeable {
  /** As written, for whoever wants to show them. */
  readonly stages: ReadonlyArray<Definition<Requires>>
  readonly mode: M
  readonly concurrency: number | undefined
  /** Known to the compiler only. */
  readonly "~last"?: Last
}

type Codec<A> = Schema.Codec<A, unknown>

/**
 * How a pipeline runs.
 *
 * @category models
 */
export interface Options<Payload extends Schema.Struct.Fields, M extends Mode> {
  /** Fields of the payload. Defaults to none. */
  readonly payload?: Payload | undefined
  /**
   * With `failFast` the first failure that is to stop the pipeline interrupts what runs and is the failure of the whole.
   * With `collect` only what comes after it is skipped, and the whole fails at the end with all failures, as
   * `PipelineErrors`. Defaults to `failFast`.
   */
  readonly mode?: M | undefined
  /** Stages that run at once. Defaults to all that can. */
  readonly concurrency?: number | undefined
}

/**
 * A pipeline without stages, to be extended by `stage`.
 *
 * @category constructors
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Pipeline, Task } from "ostinato"
 *
 * const Words = Task.fn("docs.words", { payload: { text: Schema.String }, success: Schema.Array(Schema.String) },
 *   ({ text }) => Effect.succeed(text.split(" ")))
 * const Longest = Task.fn("docs.longest", { payload: { words: Schema.Array(Schema.String) }, success: Schema.Int },
 *   ({ words }) => Effect.succeed(Math.max(...words.map((word) => word.length))))
 *
 * const Report = Pipeline.make("docs.report", { payload: { text: Schema.String } }).pipe(
 *   Pipeline.stage("words", Words, { input: ({ payload }) => payload }),
 *   Pipeline.stage("longest", Longest, { input: ({ words }) => ({ words }) })
 * )
 *
 * const report = await Effect.runPromise(Task.run(Report, { text: "to be or not" }))
 * report.longest // => 3
 * ```
 */
export const make = <
  const Name extends string,
  Payload extends Schema.Struct.Fields = {},
  M extends Mode = "failFast"
>(
  name: Name,
  options?: Options<Payload, M>
): Pipeline<Name, Schema.Struct<Payload> & Storable, {}, never, M, never> =>
  Assembly.typed(Assembly.make(shape(name, options), []))

/**
 * What a stage may say about how its task runs.
 *
 * @category models
 */
export interface RunOptions<Error, Exec> {
  /** Further attempts, instead of those of the task. */
  readonly retry?: Schedule.Schedule<unknown, Error | TaskTimeout> | undefined
  /** Limit of one attempt, instead of that of the task. */
  readonly timeout?: Duration.Input | undefined
  /** Where all its attempts run, e.g. a `TaskPool`. Adds `ExecutorFailed` to its errors. Defaults to the fiber of the run. */
  readonly executor?: Exec | undefined
}

/**
 * What a stage says besides its name and its task.
 *
 * @category models
 */
export interface StageOptions<
  Inputs,
  S extends Stages,
  After extends ReadonlyArray<string>,
  P extends Typed.Policy,
  Input,
  Error,
  When,
  Exec
> extends RunOptions<Error, Exec> {
  /**
   * The stages that it comes after. Defaults to the one written before it, so stages run one after the other. `[]` starts
   * at once.
   */
  readonly after?: After & Typed.KnownNames<S, After> | undefined
  /**
   * What it means to this stage that one in `after` failed, for all of them or by name. `stop`: the pipeline fails.
   * `skip`: this stage is skipped, and what comes after it as its own policies say. `continue`: this stage runs, and sees
   * a `Result`. A parent that was skipped skips this stage too, unless it is to continue. One `stop` among the stages
   * after a parent is enough to stop; the failure of a stage that nothing comes after stops. Defaults to `stop`.
   */
  readonly onParentFailure?: P | undefined
  /**
   * The payload of the task, from that of the pipeline and from the stages that have ended by then: those in `after` and
   * all before them.
   */
  readonly input: (inputs: Inputs) => Input
  /** Decides whether to run. `false`: the stage is skipped. Defaults to always. */
  readonly when?: ((inputs: Inputs) => When) | undefined
}

/**
 * Adds a stage. Its name is that of its value in the inputs of later stages, in the value of the pipeline, in errors,
 * logs and spans. A name that is used twice and a stage in `after` that is not there do not compile.
 *
 * @category combinators
 */
export const stage = <
  const StageName extends string,
  P2 extends Storable,
  S2 extends Storable,
  E2 extends Storable,
  R2,
  Name extends string,
  Payload extends Storable,
  S extends Stages,
  Last extends string,
  M extends Mode,
  R,
  const After extends ReadonlyArray<string> = [Last] extends [never] ? readonly [] : readonly [Last],
  const P extends Typed.Policy<After[number]> = "stop",
  When extends boolean | Effect.Effect<boolean> = never,
  Exec extends Executor = never
>(
  name: StageName & Typed.NewName<S, StageName>,
  task: Task.Task<string, P2, S2, E2, R2>,
  options: StageOptions<
    Typed.Inputs<Payload["Type"], S, After[number], P>,
    S,
    After,
    P,
    P2["Type"],
    NoInfer<E2["Type"]>,
    When,
    Exec
  >
) =>
(self: Pipeline<Name, Payload, S, Last, M, R>): Pipeline<
  Name,
  Payload,
  Typed.Add<
    S,
    StageName,
    After[number],
    P,
    S2["Type"],
    Typed.StageError<E2["Type"], Exec>,
    [When] extends [never] ? false : true
  >,
  StageName,
  M,
  R | R2
> => Assembly.typed(Assembly.make(self, [...self.stages, Assembly.define<R | R2>(name, task, options)]))

/**
 * Chooses the value of a pipeline from those of its stages. Ends its definition: what comes of it is a task, to which no
 * stage can be added.
 *
 * @category combinators
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Pipeline, Task } from "ostinato"
 *
 * const Count = Task.fn("docs.count", { payload: { text: Schema.String }, success: Schema.Int },
 *   ({ text }) => Effect.succeed(text.length))
 *
 * const Both = Pipeline.make("docs.both", { payload: { left: Schema.String, right: Schema.String } }).pipe(
 *   Pipeline.stage("left", Count, { input: ({ payload }) => ({ text: payload.left }) }),
 *   Pipeline.stage("right", Count, { after: [], input: ({ payload }) => ({ text: payload.right }) }),
 *   Pipeline.output(Schema.Int, ({ left, right }) => left + right)
 * )
 *
 * await Effect.runPromise(Task.run(Both, { left: "ab", right: "cde" })) // => 5
 * ```
 */
export const output = <
  S2 extends Storable,
  Name extends string,
  Payload extends Storable,
  S extends Stages,
  Last extends string,
  M extends Mode,
  R
>(
  /** The Schema of the value. */
  success: S2,
  f: (values: Typed.Values<S>) => S2["Type"]
) =>
(self: Pipeline<Name, Payload, S, Last, M, R>): Task.Task<Name, Payload, S2, Codec<Typed.Failure<S, M>>, R> =>
  Task.named(Task.map(self, success, f), self.name)

/**
 * A stage apart from a pipeline, for `fromStages`.
 *
 * @category models
 */
export interface Entry<out E, out R> extends Definition<R> {
  /** Known to the compiler only. */
  readonly "~error"?: E
}

/**
 * Defines a stage apart from a pipeline, for `fromStages`. Its inputs are by name and not typed.
 *
 * @category constructors
 */
export const entry = <
  const Name extends string,
  P extends Storable,
  S extends Storable,
  E extends Storable,
  R,
  Exec extends Executor = never
>(
  name: Name,
  task: Task.Task<string, P, S, E, R>,
  options: StageOptions<
    Readonly<Record<string, unknown>>,
    Stages,
    ReadonlyArray<string>,
    Typed.Policy,
    P["Type"],
    NoInfer<E["Type"]>,
    boolean | Effect.Effect<boolean>,
    Exec
  >
): Entry<PipelineError<Name, Typed.StageError<E["Type"], Exec>>, R> => Assembly.define<R>(name, task, options)

/**
 * A pipeline of stages that are known at run time only, in any order. What the compiler checks elsewhere is checked here:
 * a stage that comes after itself, after one that is not there, or has the name of another is a `PipelineInvalid`.
 *
 * @category constructors
 * @example
 * ```ts
 * import { Effect, Result, Schema } from "effect"
 * import { Pipeline, Task } from "ostinato"
 *
 * const Ping = Task.fn("docs.ping", {}, () => Effect.void)
 *
 * const pipeline = Pipeline.fromStages("docs.ring", [
 *   Pipeline.entry("a", Ping, { after: ["b"], input: () => ({}) }),
 *   Pipeline.entry("b", Ping, { after: ["a"], input: () => ({}) })
 * ])
 * Result.getOrThrow(Result.flip(pipeline)).path // => ["a", "b", "a"]
 * ```
 */
export const fromStages = <
  const Name extends string,
  Entries extends ReadonlyArray<Entry<unknown, unknown>>,
  Payload extends Schema.Struct.Fields = {},
  M extends Mode = "failFast"
>(
  name: Name,
  stages: Entries,
  options?: Options<Payload, M>
): Result.Result<
  Task.Task<
    Name,
    Schema.Struct<Payload> & Storable,
    Codec<Readonly<Record<string, unknown>>>,
    Codec<M extends "collect" ? PipelineErrors<ErrorOf<Entries[number]>> : ErrorOf<Entries[number]>>,
    RequiresOf<Entries[number]>
  >,
  PipelineInvalid
> => Result.map(Assembly.checked(shape(name, options), stages), (task) => Assembly.typed(task))

type ErrorOf<T> = T extends Entry<infer E, unknown> ? E : never
type RequiresOf<T> = T extends Entry<unknown, infer R> ? R : never

const shape = <Payload extends Schema.Struct.Fields, M extends Mode>(
  name: string,
  options: Options<Payload, M> | undefined
): Assembly.Shape => ({
  name,
  payload: Schema.Struct(options?.payload ?? {}),
  mode: options?.mode ?? "failFast",
  concurrency: options?.concurrency
})

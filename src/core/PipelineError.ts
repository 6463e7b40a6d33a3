/**
 * How a pipeline fails: with the error of a stage and its name, with all of them where failures are collected, or at its
 * definition.
 *
 * Only typed errors are wrapped. A defect of a stage stays a defect, with its whole Cause; log and record name the stage.
 */
import type * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import type { Storable } from "./Task.ts"
import { fromCause } from "./TaskError.ts"

/**
 * A stage failed with one of its typed errors, or ran longer than it may.
 *
 * @category errors
 */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- they tell the errors of stages apart
export class PipelineError<out Stage extends string, out E> extends Data.TaggedError("PipelineError")<{
  /** Name of the pipeline. */
  readonly pipeline: string
  readonly stage: Stage
  /** The error of the stage. */
  readonly cause: E
}> {
  override get message() {
    const { message, tag } = fromCause(Cause.fail(this.cause))
    return `stage ${this.stage} of pipeline ${this.pipeline} failed: ${tag}: ${message}`
  }
}

/**
 * Stages of a pipeline that collects its failures failed. All others have run to their end, except those that come after
 * one of these.
 *
 * @category errors
 */
export class PipelineErrors<out E> extends Data.TaggedError("PipelineErrors")<{
  /** Name of the pipeline. */
  readonly pipeline: string
  /** In the order of the stages. */
  readonly errors: Arr.NonEmptyReadonlyArray<E>
}> {
  override get message() {
    const [first, ...others] = this.errors.map((error) => fromCause(Cause.fail(error)).message)
    return others.length === 0 ? `${first}` : [`${others.length + 1} stages failed`, first, ...others].join("\n- ")
  }
}

/**
 * The stages of a pipeline do not make one: two have the same name, one comes after a stage that is not there, or after
 * itself.
 *
 * @category errors
 */
export class PipelineInvalid extends Schema.TaggedError<PipelineInvalid>()("PipelineInvalid", {
  /** Name of the pipeline. */
  pipeline: Schema.String,
  problem: Schema.Literals(["duplicate", "unknown", "cycle", "reserved"]),
  /** The stages that it is about, e.g. `["a", "b", "a"]` for a cycle, `["b", "nowhere"]` for an unknown one after `b`. */
  path: Schema.Array(Schema.String)
}) {
  override get message() {
    return `pipeline ${this.pipeline} cannot be made: ${advice[this.problem]}: ${this.path.join(" -> ")}`
  }
}

const advice = {
  cycle: "a stage would have to wait for itself; take out one of",
  duplicate: "every stage needs a name of its own",
  reserved: "inputs hold the payload of the pipeline under this name; choose another one for the stage",
  unknown: "a stage can only come after one that is there"
} as const

/**
 * The error of one stage, as it is stored.
 *
 * @category schemas
 */
export const stageError = <Stage extends string, E extends Storable>(
  stage: Stage,
  cause: E
): Schema.Codec<PipelineError<Stage, E["Type"]>, unknown> =>
  // the compiler cannot follow a Schema of any type through a struct
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as said
  ofStage(stage, cause) as Storable as Schema.Codec<PipelineError<Stage, E["Type"]>, unknown>

/**
 * All errors of a pipeline that collects them, as they are stored.
 *
 * @category schemas
 */
export const stageErrors = <E extends Storable>(error: E): Schema.Codec<PipelineErrors<E["Type"]>, unknown> =>
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as in stageError
  ofStages(error) as Storable as Schema.Codec<PipelineErrors<E["Type"]>, unknown>

const ofStage = (stage: string, cause: Storable) =>
  Schema.Struct({ _tag: Schema.tag("PipelineError"), pipeline: Schema.String, stage: Schema.Literal(stage), cause })
    .pipe(
      Schema.decodeTo(
        Schema.declare((value): value is PipelineError<string, unknown> =>
          value instanceof PipelineError && value.stage === stage
        ),
        SchemaTransformation.transform({
          decode: ({ cause, pipeline, stage }) => new PipelineError({ pipeline, stage, cause }),
          encode: ({ _tag, cause, pipeline, stage }) => ({ _tag, pipeline, stage, cause })
        })
      )
    )

const ofStages = (error: Storable) =>
  Schema.Struct({ _tag: Schema.tag("PipelineErrors"), pipeline: Schema.String, errors: Schema.NonEmptyArray(error) })
    .pipe(
      Schema.decodeTo(
        Schema.declare((value): value is PipelineErrors<unknown> => value instanceof PipelineErrors),
        SchemaTransformation.transform({
          decode: ({ errors, pipeline }) => new PipelineErrors({ pipeline, errors }),
          encode: ({ _tag, errors, pipeline }) => ({ _tag, pipeline, errors })
        })
      )
    )

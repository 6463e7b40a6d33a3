/**
 * Why a run of a task did not give its value: the closed catalogue of failures that the library itself adds to a
 * task's own typed error, and the plain form in which every failure is stored and shown.
 *
 * A handler's declared error keeps its type. Everything else is told apart here: `TaskTimeout`, `PayloadInvalid`,
 * `ResultInvalid`, a defect (`Cause.Die`) and interruption. A stored failure is data: it is never revived into a live error.
 */
import * as Cause from "effect/Cause"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"

/**
 * An attempt ran longer than its task allows and was interrupted.
 *
 * @category errors
 */
export class TaskTimeout extends Schema.TaggedError<TaskTimeout>()("TaskTimeout", {
  /** Name of the task. */
  task: Schema.String,
  /** The limit that was passed, in milliseconds. */
  timeoutMs: Schema.Finite
}) {
  override get message() {
    return `task ${this.task} ran longer than ${this.timeoutMs} ms and was interrupted: make it faster or raise its timeout`
  }
}

/**
 * A payload does not fit the task's Schema. No attempt was made.
 *
 * @category errors
 */
export class PayloadInvalid extends Schema.TaggedError<PayloadInvalid>()("PayloadInvalid", {
  /** Name of the task. */
  task: Schema.String,
  /** What does not fit, with its path. */
  detail: Schema.String
}) {
  override get message() {
    return `payload of task ${this.task} is not valid: ${this.detail}`
  }
}

/**
 * A handler succeeded with a value that does not fit the task's Schema, so it can be neither stored nor sent.
 *
 * @category errors
 */
export class ResultInvalid extends Schema.TaggedError<ResultInvalid>()("ResultInvalid", {
  /** Name of the task. */
  task: Schema.String,
  /** What does not fit, with its path. */
  detail: Schema.String
}) {
  override get message() {
    return `the result of task ${this.task} does not fit its Schema: ${this.detail}`
  }
}

/**
 * What the library adds to a task's own error.
 *
 * @category errors
 */
export type TaskError = TaskTimeout | PayloadInvalid | ResultInvalid

/**
 * A failure as it is stored: `kind` tells a typed failure, a defect and an interruption apart.
 *
 * @category models
 */
export const Failure = Schema.Struct({
  kind: Schema.Literals(["failure", "defect", "interruption"]),
  /** Tag of a tagged error, name of a thrown `Error`, else the type of the value. */
  tag: Schema.String,
  /** One readable sentence. */
  message: Schema.String,
  /** The full Cause with stacks, for people. Never parsed. */
  cause: Schema.String
})

/**
 * @category models
 */
export type Failure = typeof Failure.Type

/**
 * Turns any Cause into its stored form. A typed failure wins over a defect, a defect over interruption.
 *
 * @category constructors
 */
export const fromCause = (cause: Cause.Cause<unknown>): Failure => {
  const kind = Cause.hasFails(cause) ? "failure" : Cause.hasDies(cause) ? "defect" : "interruption"
  const error = kind === "interruption" ? undefined : Cause.squash(cause)
  return {
    kind,
    tag: kind === "interruption" ? "Interrupted" : tagOf(error),
    message: kind === "interruption" ? "interrupted" : messageOf(error),
    cause: Cause.pretty(cause)
  }
}

const tagOf = (error: unknown): string =>
  Predicate.hasProperty(error, "_tag") && typeof error._tag === "string"
    ? error._tag
    : error instanceof Error
    ? error.name
    : typeof error

const messageOf = (error: unknown): string => {
  if (error instanceof Error && error.message !== "") return error.message
  if (Predicate.hasProperty(error, "message") && typeof error.message === "string") return error.message
  return typeof error === "string" ? error : tagOf(error)
}

/**
 * Why a run of a task did not give its value: the closed catalogue of failures that the library itself adds to a
 * task's own typed error, and the plain form in which every failure is stored and shown.
 *
 * A handler's declared error keeps its type. Everything else is told apart here: a timeout, an interruption, a defect, a
 * payload or a result that does not fit, and a run that was skipped. Inside a fiber a defect stays a defect and an
 * interruption an interruption, with the whole Cause; `settle` turns them into values of the catalogue for whoever waits
 * from outside. A stored failure is data: it is never revived into a live error.
 */
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
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
 * A task was interrupted before its end: cancelled, dropped, or cut short by a stop.
 *
 * @category errors
 */
export class TaskInterrupted extends Schema.TaggedError<TaskInterrupted>()("TaskInterrupted", {
  /** Name of the task. */
  task: Schema.String,
  /** Who or what interrupted it, where that is known. */
  reason: Schema.NullOr(Schema.String)
}) {
  override get message() {
    return `task ${this.task} was interrupted before its end${this.reason === null ? "" : `: ${this.reason}`}`
  }
}

/**
 * A task ended with a defect: something that its declared errors do not foresee, so a bug in it or in what it calls.
 *
 * @category errors
 */
export class TaskDefect extends Schema.TaggedError<TaskDefect>()("TaskDefect", {
  /** Name of the task. */
  task: Schema.String,
  /** What was thrown, in one sentence. */
  defect: Schema.String,
  /** The full Cause with stacks, for people. */
  detail: Schema.String
}) {
  override get message() {
    return `task ${this.task} broke: ${this.defect}. This is a bug: mend it, or declare the error`
  }
}

/**
 * A task was not run, on purpose.
 *
 * @category errors
 */
export class TaskSkipped extends Schema.TaggedError<TaskSkipped>()("TaskSkipped", {
  /** Name of the task. */
  task: Schema.String,
  /** Why. */
  reason: Schema.String
}) {
  override get message() {
    return `task ${this.task} was skipped: ${this.reason}`
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
 * What the library adds to a task's own error: the closed catalogue, as a Schema, so that it can be stored and sent.
 *
 * @category errors
 */
export const TaskError = Schema.Union([
  TaskTimeout,
  TaskInterrupted,
  TaskDefect,
  TaskSkipped,
  PayloadInvalid,
  ResultInvalid
])

/**
 * @category errors
 */
export type TaskError = typeof TaskError.Type

/**
 * What an ended task means to whoever waited for it from outside: its value, its own error, or one of the catalogue. A
 * typed failure wins over a defect, a defect over interruption.
 *
 * @category combinators
 */
export const settle = <A, E>(
  task: string,
  exit: Exit.Exit<A, E>
): Result.Result<A, E | TaskDefect | TaskInterrupted | TaskSkipped> => {
  if (Exit.isSuccess(exit)) return Result.succeed(exit.value)
  const failure = exit.cause.reasons.find(Cause.isFailReason)
  if (failure !== undefined) return Result.fail(failure.error)
  const skip = skipped(exit.cause)
  if (skip !== undefined) return Result.fail(skip)
  if (!Cause.hasDies(exit.cause)) return Result.fail(new TaskInterrupted({ task, reason: null }))
  const { cause, message } = fromCause(exit.cause)
  return Result.fail(new TaskDefect({ task, defect: message, detail: cause }))
}

/**
 * The skip behind a Cause, if it is one.
 *
 * @category combinators
 */
export const skipped = (cause: Cause.Cause<unknown>): TaskSkipped | undefined => {
  for (const reason of cause.reasons) {
    if (Cause.isDieReason(reason) && reason.defect instanceof TaskSkipped) return reason.defect
  }
  return undefined
}

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
export const fromCause = (cause: Cause.Cause<unknown>): Failure =>
  // an error's own message may throw
  Result.getOrElse(
    Result.try(() => read(cause)),
    () => ({
      kind: Cause.hasFails(cause) ? "failure" : "defect",
      tag: "Unreadable",
      message: "the failure could not be put into words: reading it failed as well",
      cause: ""
    })
  )

const read = (cause: Cause.Cause<unknown>): Failure => {
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
  if (typeof error === "string") return error
  if (typeof error !== "object" || error === null) return tagOf(error)
  const message = "message" in error && typeof error.message === "string" ? error.message : ""
  return message === "" ? fieldsOf(error) ?? tagOf(error) : message
}

/** An error without words of its own is told by its fields; those that are `Redacted` show themselves as such. */
const fieldsOf = (error: object): string | undefined => {
  const fields = Object.entries(error).filter(([name]) => !["_tag", "message", "name", "stack"].includes(name))
  if (fields.length === 0) return undefined
  const text = Result.getOrUndefined(Result.try(() => JSON.stringify(Object.fromEntries(fields))))
  return text === undefined || text.length <= 500 ? text : `${text.slice(0, 500)}…`
}

/**
 * Why a scheduler does not do what it was asked for.
 */
import * as Schema from "effect/Schema"

/**
 * The scheduler takes no work: it was not started, or it is being stopped.
 *
 * @category errors
 */
export class SchedulerNotRunning extends Schema.TaggedError<SchedulerNotRunning>()("SchedulerNotRunning", {
  status: Schema.String
}) {
  override get message() {
    return `the scheduler is ${this.status}, so nothing was run: start it first`
  }
}

/**
 * A schedule cannot be kept as it is.
 *
 * @category errors
 */
export class ScheduleInvalid extends Schema.TaggedError<ScheduleInvalid>()("ScheduleInvalid", {
  name: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `schedule "${this.name}" is not valid: ${this.detail}`
  }
}

/**
 * A schedule belongs to the code of a living process, so it cannot be deleted from the store alone.
 *
 * @category errors
 */
export class ScheduleInCode extends Schema.TaggedError<ScheduleInCode>()("ScheduleInCode", { name: Schema.String }) {
  override get message() {
    return `schedule "${this.name}" is part of a program that runs: pause it, or remove it from the program first`
  }
}

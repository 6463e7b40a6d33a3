/**
 * What can go wrong with durable jobs: the closed catalogue of this room's errors.
 */
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import { JobId } from "./Job.ts"

/**
 * The store did not do what it was asked to: it is away, or refused. Nothing was changed.
 *
 * @category errors
 */
export class JobStoreUnavailable extends Schema.TaggedError<JobStoreUnavailable>()("JobStoreUnavailable", {
  /** What was being done, e.g. `claim`. */
  operation: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `job store: ${this.operation} failed: ${this.detail}`
  }
  override get [Runtime.errorExitCode]() {
    return 69
  }
}

/**
 * The connection broke while jobs were being committed: they may or may not be there.
 *
 * @category errors
 */
export class EnqueueUnknown extends Schema.TaggedError<EnqueueUnknown>()("EnqueueUnknown", {
  detail: Schema.String
}) {
  override get message() {
    return `it is not known whether the jobs were enqueued (${this.detail}): enqueue again with the same ids or unique keys, ` +
      "which never makes a second job"
  }
}

/**
 * A job cannot be enqueued as it is. Nothing was enqueued of the call.
 *
 * @category errors
 */
export class JobInvalid extends Schema.TaggedError<JobInvalid>()("JobInvalid", {
  task: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `job of task ${this.task} cannot be enqueued: ${this.detail}`
  }
}

/**
 * The attempt is not the job's newest any more: its lease ran out and somebody else may run it. What was done in the same
 * transaction is rolled back.
 *
 * @category errors
 */
export class LeaseLost extends Schema.TaggedError<LeaseLost>()("LeaseLost", { id: JobId }) {
  override get message() {
    return `job ${this.id} is no longer held by this attempt: its worker was taken for dead, and the job given to another`
  }
}

/**
 * `enqueueTx` or `completeTx` was called in a transaction of another client: it could not commit together with it.
 *
 * @category errors
 */
export class OtherTransaction extends Schema.TaggedError<OtherTransaction>()("OtherTransaction", {
  operation: Schema.String
}) {
  override get message() {
    return `${this.operation}: the open transaction belongs to another SqlClient than that of the job store, ` +
      "so both could not commit together: use the client that the store was built with"
  }
}

/**
 * A worker was to serve a queue that holds jobs of tasks which it has no handlers for.
 *
 * @category errors
 */
export class QueueNotServed extends Schema.TaggedError<QueueNotServed>()("QueueNotServed", {
  queue: Schema.String,
  tasks: Schema.Array(Schema.String)
}) {
  override get message() {
    return `queue ${this.queue} holds jobs of ${this.tasks.join(", ")}, which this worker has no handler for: ` +
      "add the handlers, give those tasks a queue of their own, or set partial: true"
  }
  override get [Runtime.errorExitCode]() {
    return 78
  }
}

/**
 * A job did not complete before its deadline. It is not attempted any more.
 *
 * @category errors
 */
export class DeadlinePassed extends Schema.TaggedError<DeadlinePassed>()("DeadlinePassed", {
  id: JobId,
  /** Milliseconds since 1970 by the clock of the store. */
  deadline: Schema.Finite
}) {
  override get message() {
    return `job ${this.id} did not complete before its deadline: give it more time, or its queue more workers`
  }
}

/**
 * There is no job with this id, or no longer.
 *
 * @category errors
 */
export class JobNotFound extends Schema.TaggedError<JobNotFound>()("JobNotFound", { id: Schema.String }) {
  override get message() {
    return `there is no job ${this.id}, or it is no longer kept`
  }
}

/**
 * There is no queue with this name yet: nothing was ever enqueued to it, and no worker serves it.
 *
 * @category errors
 */
export class QueueNotFound extends Schema.TaggedError<QueueNotFound>()("QueueNotFound", { queue: Schema.String }) {
  override get message() {
    return `there is no queue ${this.queue}`
  }
}

/**
 * A queue or a limit cannot be set as asked for.
 *
 * @category errors
 */
export class JobSettingRefused extends Schema.TaggedError<JobSettingRefused>()("JobSettingRefused", {
  /** e.g. `queue sync`. */
  of: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `${this.of} cannot be set so: ${this.detail}`
  }
}

/**
 * A queue or a limit cannot be removed, because something uses it.
 *
 * @category errors
 */
export class JobSettingUsed extends Schema.TaggedError<JobSettingUsed>()("JobSettingUsed", {
  /** e.g. `queue sync`. */
  of: Schema.String,
  /** What uses it. */
  detail: Schema.String
}) {
  override get message() {
    return `${this.of} cannot be removed: ${this.detail}`
  }
}

/**
 * There is no such limit.
 *
 * @category errors
 */
export class LimitNotFound extends Schema.TaggedError<LimitNotFound>()("LimitNotFound", { limit: Schema.String }) {
  override get message() {
    return `there is no limit "${this.limit}"`
  }
}

/**
 * The job that was awaited ended without a result: it was cancelled or discarded for another reason than its own error,
 * or is no longer kept.
 *
 * @category errors
 */
export class JobEnded extends Schema.TaggedError<JobEnded>()("JobEnded", {
  id: JobId,
  state: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `job ${this.id} ended ${this.state}: ${this.detail}`
  }
}

/**
 * A filter cannot be read.
 *
 * @category errors
 */
export class JobFilterInvalid extends Schema.TaggedError<JobFilterInvalid>()("JobFilterInvalid", {
  filter: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `the filter ${JSON.stringify(this.filter)} cannot be read: ${this.detail}`
  }
}

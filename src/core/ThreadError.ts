/**
 * Why work on a thread did not give its value, besides the error that it declares.
 *
 * None of them harms the pool: a thread that is lost is replaced, and what had not started on it runs on another one.
 */
import * as Schema from "effect/Schema"
import { PayloadInvalid, ResultInvalid, TaskInterrupted, TaskTimeout } from "./TaskError.ts"

/**
 * The thread (or child process) ended under the task: `process.exit`, an exception or rejection that nobody caught, a
 * signal.
 *
 * @category errors
 */
export class WorkerCrashed extends Schema.TaggedError<WorkerCrashed>()("WorkerCrashed", {
  /** Name of the pool. */
  pool: Schema.String,
  /** Name of the task that ran. */
  task: Schema.String,
  /** How it ended: exit code, signal, or what nobody caught, with its stack. */
  detail: Schema.String
}) {
  override get message() {
    return `the thread of pool ${this.pool} ended while it ran ${this.task}: ${this.detail}. A new one takes its place`
  }
}

/**
 * The thread (or child process) reached the limit of its memory.
 *
 * @category errors
 */
export class WorkerOutOfMemory extends Schema.TaggedError<WorkerOutOfMemory>()("WorkerOutOfMemory", {
  /** Name of the pool. */
  pool: Schema.String,
  /** Name of the task that ran. */
  task: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `the thread of pool ${this.pool} ran out of memory in ${this.task}: give it less at a time, or raise resourceLimits`
  }
}

/**
 * A value cannot go from one thread to another: a function, a symbol, an object that belongs to its thread.
 *
 * @category errors
 */
export class NotTransferable extends Schema.TaggedError<NotTransferable>()("NotTransferable", {
  /** Name of the task. */
  task: Schema.String,
  /** Where it stands: `payload.read`, `result[3]`, `task` itself. */
  path: Schema.String,
  /** What stands there, e.g. `function parse`. */
  value: Schema.String
}) {
  override get message() {
    return `${this.path} of ${this.task} is ${this.value}, which cannot travel between threads: send data, and name the code by its module`
  }
}

/**
 * The module of a task cannot be loaded, or does not export the code. A module that another build moves is named by a URL
 * relative to the file that declares the task.
 *
 * @category errors
 */
export class ThreadTaskInvalid extends Schema.TaggedError<ThreadTaskInvalid>()("ThreadTaskInvalid", {
  /** Name of the task. */
  task: Schema.String,
  /** File name of the module. */
  module: Schema.String,
  /** Name of the export. */
  export: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `task ${this.task} cannot run: "${this.export}" of ${this.module}: ${this.detail}`
  }
}

/**
 * What a pool of threads adds to a task's own error: the whole catalogue, to declare as the error of a task that runs there.
 *
 * @category errors
 */
export const ThreadError = Schema.Union([
  WorkerCrashed,
  WorkerOutOfMemory,
  NotTransferable,
  ThreadTaskInvalid,
  TaskTimeout,
  TaskInterrupted,
  PayloadInvalid,
  ResultInvalid
])

/**
 * @category errors
 */
export type ThreadError = typeof ThreadError.Type

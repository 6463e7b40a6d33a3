/**
 * `ostinato run TASK`: one run, now, recorded like any other. Needs no running service and may run beside one.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { hostname } from "node:os"
import { pid } from "node:process"
import { RunLog } from "ostinato/core/RunLog"
import * as TaskError from "ostinato/core/TaskError"
import { TaskRun } from "ostinato/core/TaskRun"
import type { NamedTask } from "ostinato/service/AppModule"
import * as Application from "../Application.ts"
import * as Input from "../Input.ts"
import { UsageError } from "../UsageError.ts"

/** The run came to its end, and the task had failed. */
export class TaskFailed extends Schema.TaggedError<TaskFailed>()("TaskFailed", {
  task: Schema.String,
  runId: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `task ${this.task} failed: ${this.detail} (run ${this.runId})`
  }
}

/** Runs a task by name. Prints the run: one sentence, or with `json` the whole of it on one line. */
export const run = Effect.fn("cli.run")(function*(options: {
  readonly task: string
  readonly input: Option.Option<string>
  readonly json: boolean
}) {
  const app = yield* Application.load
  const task = app.tasks.find((task) => task.name === options.task)
  if (task === undefined) {
    return yield* new UsageError({
      detail: `there is no task "${options.task}". Tasks: ${app.tasks.map((task) => task.name).join(", ")}`
    })
  }
  const input = Option.isNone(options.input) ? undefined : yield* Input.json("--input", options.input.value)
  return yield* Application.on(app, once(task, { input, json: options.json })).pipe(
    Effect.onInterrupt(() => Console.error(`ostinato: ${options.task} was interrupted before its end`))
  )
})

/**
 * Runs a task and prints what came of it. The outcome of the task decides how this ends: a log of runs that cannot be
 * read afterwards only shortens what is printed.
 */
export const once = Effect.fnUntraced(function*<R>(task: NamedTask<R>, options: {
  readonly input: unknown
  readonly json: boolean
}) {
  const log = yield* RunLog
  const ref = yield* task.dispatch(options.input, { kind: "cli", host: hostname(), pid })
  const exit = yield* Effect.exit(ref.await)
  const run = yield* log.get(ref.id).pipe(
    Effect.catchTag(
      "RunLogUnavailable",
      (error) =>
        Effect.as(Effect.logWarning(`run ${ref.id} has ended and could not be read again: ${error.message}`), null)
    )
  )
  if (options.json) {
    const status = Exit.isSuccess(exit) ? "completed" : "failed"
    yield* Console.log(yield* run === null ? encodeKnown({ id: ref.id, task: task.name, status }) : encode(run))
  }
  if (Exit.isFailure(exit)) {
    const { message: detail } = run?.failure ?? TaskError.fromCause(exit.cause)
    return yield* new TaskFailed({ task: task.name, runId: ref.id, detail })
  }
  if (options.json) return
  yield* Console.log(
    run === null
      ? `${task.name} completed (run ${ref.id})`
      : `${run.task} ${run.status} in ${Math.round(run.runMs ?? 0)} ms (run ${run.id})`
  )
})

const encode = Schema.encodeEffect(Schema.fromJsonString(Schema.toCodecJson(TaskRun)))

const encodeKnown = Schema.encodeEffect(Schema.fromJsonString(Schema.Struct({
  id: TaskRun.fields.id,
  task: TaskRun.fields.task,
  status: TaskRun.fields.status
})))

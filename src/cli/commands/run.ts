/**
 * `ostinato run TASK`: one run, now, recorded like any other. Needs no running service and may run beside one.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { hostname } from "node:os"
import { pid } from "node:process"
import { RunLog } from "ostinato/core/RunLog"
import { TaskRun } from "ostinato/core/TaskRun"
import * as Service from "ostinato/service/Service"
import { ServiceConfig } from "ostinato/service/ServiceConfig"
import * as Insights from "../../apps/insights/Insights.ts"
import { InsightsConfig } from "../../apps/insights/InsightsConfig.ts"
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
  const app = yield* Insights.make({ ...yield* InsightsConfig, timetable: (yield* ServiceConfig).interval })
  const task = app.tasks.find((task) => task.name === options.task)
  if (task === undefined) {
    return yield* new UsageError({
      detail: `there is no task "${options.task}". Tasks: ${app.tasks.map((task) => task.name).join(", ")}`
    })
  }
  const input = Option.isNone(options.input) ? undefined : yield* readInput(options.input.value)
  const ended = Effect.gen(function*() {
    const log = yield* RunLog
    const ref = yield* task.dispatch(input, { kind: "cli", host: hostname(), pid })
    const exit = yield* Effect.exit(ref.await)
    const run = yield* log.get(ref.id)
    if (run !== null && options.json) yield* Console.log(yield* encode(run))
    if (Exit.isFailure(exit)) {
      return yield* new TaskFailed({
        task: options.task,
        runId: ref.id,
        detail: run?.failure?.message ?? "its end was not recorded"
      })
    }
    if (run !== null && !options.json) {
      yield* Console.log(`${run.task} ${run.status} in ${Math.round(run.runMs ?? 0)} ms (run ${run.id})`)
    }
  })
  return yield* Effect.scoped(Effect.flatMap(
    Layer.build(Service.layerApp(app, { join: true })),
    (context) => Effect.provideContext(ended, context)
  )).pipe(Effect.onInterrupt(() => Console.error(`ostinato: ${options.task} was interrupted before its end`)))
})

const readInput = (input: string) =>
  Effect.mapError(
    Schema.decodeEffect(Schema.fromJsonString(Schema.Unknown))(input),
    () => new UsageError({ detail: `--input is not JSON: ${input}` })
  )

const encode = Schema.encodeEffect(Schema.fromJsonString(Schema.toCodecJson(TaskRun)))

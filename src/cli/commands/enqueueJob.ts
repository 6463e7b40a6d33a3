/**
 * `ostinato jobs enqueue TASK`: makes a durable job, which a worker of a running service takes.
 */
import * as Console from "effect/Console"
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { hostname } from "node:os"
import { pid } from "node:process"
import { runIdOf } from "ostinato/jobs/Job"
import type { Enqueueable } from "ostinato/service/AppModule"
import { EnqueuedJob } from "ostinato/service/JobsApi"
import * as NamedQueue from "ostinato/service/NamedQueue"
import * as Application from "../Application.ts"
import * as Input from "../Input.ts"
import * as Output from "../Output.ts"
import { UsageError } from "../UsageError.ts"

interface Wish {
  readonly task: string
  readonly input: Option.Option<string>
  readonly queue: Option.Option<string>
  readonly priority: Option.Option<number>
  readonly delay: Option.Option<Duration.Duration>
  readonly at: Option.Option<DateTime.Utc>
  readonly tag: ReadonlyArray<string>
  readonly output: Output.Format
  readonly json: boolean
}

/** On the database of the application. */
export const enqueueJob = Effect.fn("cli.jobs.enqueue")(function*(wish: Wish) {
  const app = yield* Application.load
  const task = yield* named(app.jobs.tasks, wish.task)
  const input = Option.isNone(wish.input) ? undefined : yield* Input.json("--input", wish.input.value)
  return yield* Application.on(app, enqueue(task, input, wish))
})

/** The task of that name. */
export const named = (tasks: ReadonlyArray<Enqueueable>, name: string): Effect.Effect<Enqueueable, UsageError> => {
  const found = tasks.find((task) => task.name === name)
  const detail = `there is no task "${name}" to enqueue. Tasks: ${tasks.map((task) => task.name).join(", ")}`
  return found === undefined ? Effect.fail(new UsageError({ detail })) : Effect.succeed(found)
}

/** On a store that is there. Prints the id of the job, or that of the one that is there already. */
export const enqueue = Effect.fnUntraced(function*(task: Enqueueable, input: unknown, wish: Wish) {
  if (Option.isSome(wish.queue)) yield* NamedQueue.check(wish.queue.value)
  const { duplicate, id } = yield* task.enqueue(input, {
    trigger: { kind: "cli", host: hostname(), pid },
    ...(Option.isSome(wish.queue) ? { queue: wish.queue.value } : {}),
    ...(Option.isSome(wish.priority) ? { priority: wish.priority.value } : {}),
    ...(Option.isSome(wish.delay) ? { delay: wish.delay.value } : {}),
    ...(Option.isSome(wish.at) ? { at: wish.at.value } : {}),
    ...(wish.tag.length === 0 ? {} : { tags: wish.tag })
  })
  const queue = yield* NamedQueue.unserved(id)
  const format = Output.formatOf(wish)
  if (format !== "table") return yield* print(format, { id, runId: runIdOf(id), duplicate, served: queue === null })
  yield* Console.log(
    duplicate ? `job ${id} of ${task.name} is there already` : `job ${id} of ${task.name} is enqueued`
  )
  if (queue !== null) {
    yield* Console.error(
      duplicate
        ? `no worker serves queue ${queue}, where it is: it waits until one does, or until you cancel it`
        : `no worker serves queue ${queue}: it waits until one does`
    )
  }
})

const print = Output.one(EnqueuedJob, {})

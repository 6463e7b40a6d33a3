/**
 * `ostinato queues drain QUEUE`: pauses a queue, and waits until nothing of it runs any more, on any node.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import * as JobQueue from "ostinato/jobs/JobQueue"
import * as QueueSummaries from "ostinato/service/QueueSummaries"
import * as Application from "../Application.ts"
import * as JobOutput from "../JobOutput.ts"
import * as Output from "../Output.ts"

/** Something still runs. The queue stays paused. */
export class DrainTimeout extends Schema.TaggedError<DrainTimeout>()("DrainTimeout", {
  queue: Schema.String,
  running: Schema.Int
}) {
  override get message() {
    return `queue ${this.queue} is paused, and ${this.running} of its jobs still run`
  }
  override get [Runtime.errorExitCode]() {
    return 124
  }
}

interface Wish {
  readonly queue: string
  readonly timeout: Duration.Duration
  readonly output: Output.Format
  readonly json: boolean
}

/** On the database of the application. */
export const drainQueue = Effect.fn("cli.queues.drain")(function*(wish: Wish) {
  return yield* Application.on(yield* Application.load, drain(wish))
})

/** On a store that is there. */
export const drain = Effect.fnUntraced(function*(wish: Wish) {
  const ended = yield* Effect.timeoutOption(JobQueue.drain({ queue: wish.queue }), wish.timeout)
  const queue = yield* QueueSummaries.get(wish.queue)
  yield* JobOutput.queue(Output.formatOf(wish), queue)
  if (ended._tag === "None") return yield* new DrainTimeout({ queue: wish.queue, running: queue.counts.running })
})

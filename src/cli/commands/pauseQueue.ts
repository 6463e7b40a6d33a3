/**
 * `ostinato queues pause QUEUE` and `queues resume QUEUE`: whether jobs of a queue start, on any node.
 */
import * as Effect from "effect/Effect"
import * as QueueSummaries from "ostinato/service/QueueSummaries"
import * as Application from "../Application.ts"
import * as JobOutput from "../JobOutput.ts"
import * as Output from "../Output.ts"

interface Wish {
  readonly queue: string
  readonly paused: boolean
  readonly output: Output.Format
  readonly json: boolean
}

/** On the database of the application. */
export const pauseQueue = Effect.fn("cli.queues.pause")(function*(wish: Wish) {
  return yield* Application.on(yield* Application.load, pause(wish))
})

/** On a store that is there. */
export const pause = Effect.fnUntraced(function*(wish: Wish) {
  yield* JobOutput.queue(Output.formatOf(wish), yield* QueueSummaries.pause(wish.queue, wish.paused))
})

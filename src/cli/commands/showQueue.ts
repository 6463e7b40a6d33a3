/**
 * `ostinato queues show QUEUE`: one queue with its settings.
 */
import * as Effect from "effect/Effect"
import * as QueueSummaries from "ostinato/service/QueueSummaries"
import * as Application from "../Application.ts"
import * as JobOutput from "../JobOutput.ts"
import * as Output from "../Output.ts"

interface Wish {
  readonly queue: string
  readonly output: Output.Format
  readonly json: boolean
}

/** On the database of the application. */
export const showQueue = Effect.fn("cli.queues.show")(function*(wish: Wish) {
  return yield* Application.on(yield* Application.load, show(wish))
})

/** On a store that is there. */
export const show = Effect.fnUntraced(function*(wish: Wish) {
  yield* JobOutput.queue(Output.formatOf(wish), yield* QueueSummaries.get(wish.queue))
})

/**
 * `ostinato queues list`: every queue with its jobs by state.
 */
import * as Effect from "effect/Effect"
import * as QueueSummaries from "ostinato/service/QueueSummaries"
import * as Application from "../Application.ts"
import * as JobOutput from "../JobOutput.ts"
import * as Output from "../Output.ts"

interface Wish {
  readonly output: Output.Format
  readonly json: boolean
}

/** On the database of the application. */
export const listQueues = Effect.fn("cli.queues.list")(function*(wish: Wish) {
  return yield* Application.on(yield* Application.load, list(wish))
})

/** On a store that is there. */
export const list = Effect.fnUntraced(function*(wish: Wish) {
  yield* JobOutput.queues(Output.formatOf(wish), yield* QueueSummaries.list)
})

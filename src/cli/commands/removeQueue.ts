/**
 * `ostinato queues remove QUEUE`: forgets a queue that holds no job and that no worker serves, or with `--limit` a limit that
 * nothing uses.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as JobQueue from "ostinato/jobs/JobQueue"
import * as Application from "../Application.ts"
import * as Output from "../Output.ts"

interface Wish {
  readonly name: string
  readonly limit: boolean
  readonly output: Output.Format
  readonly json: boolean
}

/** On the database of the application. */
export const removeQueue = Effect.fn("cli.queues.remove")(function*(wish: Wish) {
  return yield* Application.on(yield* Application.load, remove(wish))
})

/** On a store that is there. */
export const remove = Effect.fnUntraced(function*(wish: Wish) {
  const { limit, name } = wish
  yield* limit ? JobQueue.removeLimit(name) : JobQueue.remove(name)
  const format = Output.formatOf(wish)
  if (format !== "table") return yield* print(format, { removed: name })
  yield* Console.log(`${limit ? "limit" : "queue"} ${name} is removed`)
})

const print = Output.one(Schema.Struct({ removed: Schema.String }), {})

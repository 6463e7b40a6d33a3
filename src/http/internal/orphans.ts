/** Handles that nobody has any more: the garbage collector tells, and their requests are answered. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as answers from "./answers.ts"
import type { Exchange } from "./Exchange.ts"

const registry = new FinalizationRegistry<Exchange>((exchange) => {
  if (exchange.isEnded) return
  exchange.say(
    Effect.logError(`${exchange.method} ${exchange.route}: its deferral was dropped, so it is answered with 500`)
  )
  exchange.end("completed", Exit.succeed(answers.dropped), "its deferral was dropped")
})

/** The exchange must not lead to the handle. */
export const watchHandle = (handle: object, exchange: Exchange): void => {
  registry.register(handle, exchange, exchange)
  // or a handle that lives on would keep what was answered
  exchange.onEnd(() => registry.unregister(exchange))
}

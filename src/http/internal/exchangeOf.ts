/** The exchange behind a request. Only a registry provides one, so anything else is a mistake of the program. */
import * as Effect from "effect/Effect"
import * as HttpServerRespondable from "effect/http/HttpServerRespondable"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { ActiveRequest } from "../ActiveRequest.ts"
import * as HttpProblem from "../HttpProblem.ts"
import { Exchange } from "./Exchange.ts"

class NoActiveRequest extends Schema.TaggedError<NoActiveRequest>()("NoActiveRequest", {}) {
  override get message() {
    return "this request is not tracked: provide RequestRegistry.layerTracked to its route"
  }
  [HttpServerRespondable.symbol]() {
    return Effect.succeed(HttpProblem.response(HttpProblem.failed("urn:ostinato:not-tracked")))
  }
}

export const currentExchange: Effect.Effect<Exchange, never, ActiveRequest> = Effect.flatMap(
  Effect.serviceOption(ActiveRequest),
  (request) =>
    Option.isSome(request) && request.value instanceof Exchange
      ? Effect.succeed(request.value)
      : Effect.die(new NoActiveRequest())
)

/**
 * Another limit than the registry's for some requests: said by their handlers, or around them.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as HttpServerResponse from "effect/http/HttpServerResponse"
import type { ActiveRequest } from "./ActiveRequest.ts"
import { currentExchange } from "./internal/exchangeOf.ts"
import { millis } from "./internal/Timeouts.ts"

/**
 * Gives the current request so much time, counted from its arrival; `0` as long as it takes. The status of the answer when
 * the time is up stays the registry's unless one is named.
 *
 * @category combinators
 */
export const set = (limit: Duration.Input, options?: {
  readonly status?: 408 | 503 | 504 | undefined
}): Effect.Effect<void, never, ActiveRequest> =>
  Effect.map(currentExchange, (exchange) => exchange.limit(millis(limit), options?.status))

/**
 * Gives every request of a handler so much time.
 *
 * @category combinators
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { HttpRouter, HttpServerResponse } from "effect/http"
 * import { RequestTimeout } from "ostinato/http"
 *
 * const report = Effect.delay(Effect.succeed(HttpServerResponse.text("done")), "1 minute")
 *
 * const Route = HttpRouter.add("GET", "/report", report.pipe(RequestTimeout.within("5 minutes", { status: 504 })))
 * ```
 */
export const within = (limit: Duration.Input, options?: { readonly status?: 408 | 503 | 504 | undefined }) =>
<E, R>(
  answer: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>
): Effect.Effect<HttpServerResponse.HttpServerResponse, E, R | ActiveRequest> =>
  Effect.andThen(set(limit, options), answer)

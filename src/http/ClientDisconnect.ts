/**
 * What becomes of the work for a request when its client is gone before the answer.
 *
 *   interrupt (unless said otherwise)   the work is interrupted, its finalizers run
 *   detach                              the work goes on to its end; its answer is dropped
 *   hand over                           the work is interrupted, and another program takes its place: a durable job, say
 */
import * as Effect from "effect/Effect"
import type * as HttpServerResponse from "effect/http/HttpServerResponse"
import type { ActiveRequest } from "./ActiveRequest.ts"
import type { Departure } from "./internal/Exchange.ts"
import { currentExchange } from "./internal/exchangeOf.ts"

const set = (departure: Departure) =>
  Effect.map(currentExchange, (exchange) => {
    exchange.onDisconnect = departure
  })

/**
 * Lets the work of a handler go on when its client is gone. The drain of the registry waits for it.
 *
 * @category combinators
 */
export const detach = <E, R>(
  answer: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>
): Effect.Effect<HttpServerResponse.HttpServerResponse, E, R | ActiveRequest> => Effect.andThen(set("detach"), answer)

/**
 * Interrupts the work of a handler when its client is gone, whatever was said around it.
 *
 * @category combinators
 */
export const interrupt = <E, R>(
  answer: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>
): Effect.Effect<HttpServerResponse.HttpServerResponse, E, R | ActiveRequest> =>
  Effect.andThen(set("interrupt"), answer)

/**
 * Runs another program, once, when the client is gone and the work was interrupted: it usually enqueues a job that does
 * the same in its own time. A failure of it is logged.
 *
 * @category combinators
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { HttpRouter, HttpServerResponse } from "effect/http"
 * import { ClientDisconnect } from "ostinato/http"
 *
 * const report = Effect.delay(Effect.succeed(HttpServerResponse.text("done")), "10 seconds")
 * const later = Effect.log("the report is made by a job instead")
 *
 * const Route = HttpRouter.add("GET", "/report", report.pipe(ClientDisconnect.handOver(later)))
 * ```
 */
export const handOver = <E2, R2>(work: Effect.Effect<unknown, E2, R2>) =>
<E, R>(
  answer: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>
): Effect.Effect<HttpServerResponse.HttpServerResponse, E, R | R2 | ActiveRequest> =>
  Effect.flatMap(Effect.context<R2>(), (context) => Effect.andThen(set(Effect.provideContext(work, context)), answer))

/**
 * An answer that is given later, by whoever has it: a timer, a job, a thread, another request.
 *
 *   handler takes a deferral, starts the work, returns `later` ----> the client waits
 *   somebody completes it | its time is up | somebody cancels it | its client leaves ----> over, exactly once
 *
 * Whoever holds it is answerable for it: one that is dropped, because its scope closes or nobody has it any more, answers
 * 500 instead of letting the client wait for nothing.
 */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as HttpServerResponse from "effect/http/HttpServerResponse"
import type * as Scope from "effect/Scope"
import type { ActiveRequest } from "./ActiveRequest.ts"
import * as answers from "./internal/answers.ts"
import type { Exchange } from "./internal/Exchange.ts"
import { currentExchange } from "./internal/exchangeOf.ts"
import { watchHandle } from "./internal/orphans.ts"

/**
 * A handle on an answer that is still to come.
 *
 * @category models
 */
export interface Deferral {
  /** Of its request: a UUID. */
  readonly id: string
  /** What the handler returns to say that the answer comes later. */
  readonly later: HttpServerResponse.HttpServerResponse
  /**
   * Sends this, now or after a delay. `false`: somebody else had ended the request, and nothing is sent. A response with a
   * stream is sent as it comes.
   */
  readonly complete: (response: HttpServerResponse.HttpServerResponse, options?: {
    readonly after?: Duration.Input | undefined
  }) => Effect.Effect<boolean>
  /** Ends the request as cancelled, with a problem of this status: 4xx or 5xx, 503 unless said otherwise. */
  readonly cancel: (options?: {
    readonly status?: number | undefined
    readonly reason?: string | undefined
  }) => Effect.Effect<boolean>
  /** Whether it can still be completed. */
  readonly isOpen: Effect.Effect<boolean>
  readonly isConnected: Effect.Effect<boolean>
  /** Ends when the client is gone; never, where the answer is sent before. */
  readonly disconnected: Effect.Effect<void>
  /** Aborts when the client is gone, the time is up or the request is cancelled. */
  readonly signal: AbortSignal
}

/**
 * Takes the answer of the current request into one's own hands. The handler then returns `later`; a handler that returns
 * another response answers with that.
 *
 * @category constructors
 * @example
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { HttpRouter, HttpServerResponse } from "effect/http"
 * import { Deferral, RequestRegistry } from "ostinato/http"
 *
 * const waiting: Array<Deferral.Deferral> = []
 * const Routes = Layer.mergeAll(
 *   HttpRouter.add("GET", "/next", Effect.map(Deferral.take, (deferral) => (waiting.push(deferral), deferral.later))),
 *   HttpRouter.add("POST", "/next", Effect.gen(function*() {
 *     const first = waiting.shift()
 *     if (first !== undefined) yield* first.complete(HttpServerResponse.text("your turn"))
 *     return HttpServerResponse.empty()
 *   }))
 * ).pipe(Layer.provide(RequestRegistry.layerTracked), Layer.provide(RequestRegistry.layer()))
 *
 * const { dispose, handler } = HttpRouter.toWebHandler(Routes, { disableLogger: true })
 * const answer = handler(new Request("http://localhost/next"))
 * await handler(new Request("http://localhost/next", { method: "POST" }))
 * await (await answer).text() // => "your turn"
 * await dispose()
 * ```
 */
export const take: Effect.Effect<Deferral, never, ActiveRequest> = Effect.map(
  currentExchange,
  (exchange) => handleOf(exchange)
)

/**
 * Binds a deferral to the current scope: should that close first, the client gets 500 (503 where it was interrupted).
 *
 * @category combinators
 */
export const hold = (deferral: Deferral): Effect.Effect<void, never, Scope.Scope> =>
  Effect.addFinalizer((exit) =>
    deferral.complete(
      Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause) ? answers.interrupted : answers.dropped
    )
  )

/**
 * Completes a deferral with what a program gives. A failure is logged and answered with 500, an interruption with 503; the
 * program itself fails with nothing.
 *
 * @category combinators
 */
export const completeWith = (deferral: Deferral) =>
<E, R>(
  program: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>
): Effect.Effect<boolean, never, R> =>
  Effect.scoped(Effect.andThen(
    hold(deferral),
    Effect.matchCauseEffect(program, {
      onSuccess: (response) => deferral.complete(response),
      onFailure: (cause) =>
        Cause.hasInterruptsOnly(cause)
          ? Effect.failCause(Cause.interrupt())
          : Effect.andThen(
            Effect.logError("a deferred answer could not be made", cause),
            deferral.complete(answers.dropped)
          )
    })
  ))

export { respond } from "./TaskRoute.ts"

const handleOf = (exchange: Exchange): Deferral => {
  const complete = (response: HttpServerResponse.HttpServerResponse) =>
    Effect.sync(() => exchange.complete(Exit.succeed(response)))
  const handle: Deferral = {
    id: exchange.id,
    later: exchange.later,
    complete: (response, options) =>
      options?.after === undefined
        ? complete(response)
        : Effect.delay(complete(response), Duration.fromInputUnsafe(options.after)),
    cancel: (options) =>
      Effect.sync(() =>
        exchange.end("cancelled", answers.cancelled(options?.status ?? 503, options?.reason), options?.reason ?? null)
      ),
    isOpen: Effect.sync(() => !exchange.isEnded),
    isConnected: exchange.isConnected,
    disconnected: exchange.disconnected,
    get signal() {
      return exchange.signal
    }
  }
  watchHandle(handle, exchange)
  return handle
}

/** The way of one request through its exchange, in the fiber of its connection. */
import type * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { ClientAbort } from "effect/http/HttpServerError"
import type * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Scope from "effect/Scope"
import type { Answer, Exchange } from "./Exchange.ts"

/** Answers with what ends the exchange; interrupting this ends it, too. */
export const run = (
  exchange: Exchange,
  answer: Answer
): Effect.Effect<HttpServerResponse.HttpServerResponse, unknown> =>
  Effect.withFiber((connection) => {
    const reply = exchange.begin(answer, connection.context)
    return reply !== undefined && !isStream(reply)
      ? reply
      : Effect.andThen(watchEnd(exchange, connection.context), Effect.interruptible(waiting(exchange)))
  })

const isStream = (reply: Exit.Exit<HttpServerResponse.HttpServerResponse, unknown>) =>
  Exit.isSuccess(reply) && reply.value.body._tag === "Stream"

const waiting = (exchange: Exchange) =>
  Effect.onExit(exchange.awaited, (exit) =>
    Effect.sync(() => {
      if (Exit.isFailure(exit) && !exchange.isAnswered) exchange.gone(isAbort(exit.cause))
    }))

/** A body that is never read, as that of an answer to HEAD, does not tell of its end. */
const watchEnd = (exchange: Exchange, context: Context.Context<never>) => {
  const scope = Context.getOrUndefined(context, Scope.Scope)
  return scope === undefined ? Effect.void : Scope.addFinalizer(scope, Effect.sync(() => exchange.sentOff()))
}

const isAbort = (cause: Cause.Cause<unknown>) =>
  cause.reasons.some((reason) => reason._tag === "Interrupt" && reason.annotations.has(ClientAbort.key))

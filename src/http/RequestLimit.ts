/**
 * How many requests of some routes are worked on at once.
 *
 *   arrived --a slot is free--> worked on --its request ends--> slot free
 *      |  \--none: there is room to wait--> queued --slot--> worked on
 *      |                                      |  \--waited for too long--> 429
 *      +--no room--> 429                      +--its client is gone--> never begun
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as HttpServerResponse from "effect/http/HttpServerResponse"
import type { ActiveRequest } from "./ActiveRequest.ts"
import * as HttpProblem from "./HttpProblem.ts"
import type { Exchange } from "./internal/Exchange.ts"
import { currentExchange } from "./internal/exchangeOf.ts"
import { Turns } from "./internal/Turns.ts"

/**
 * A limit that routes share, each of which it is applied to.
 *
 * @category models
 */
export interface RequestLimit {
  readonly apply: <E, R>(
    answer: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>
  ) => Effect.Effect<HttpServerResponse.HttpServerResponse, E, R | ActiveRequest>
  readonly running: Effect.Effect<number>
  readonly waiting: Effect.Effect<number>
}

/**
 * Makes a limit. A slot is held until the request has ended, also where its answer is deferred or streamed.
 *
 * @category constructors
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { HttpRouter, HttpServerResponse } from "effect/http"
 * import { RequestLimit } from "ostinato/http"
 *
 * const limit = RequestLimit.make({ concurrent: 3, waiting: 10, maxWait: "2 seconds" })
 * const report = Effect.delay(Effect.succeed(HttpServerResponse.text("done")), "1 second")
 *
 * const Route = HttpRouter.add("GET", "/report", report.pipe(limit.apply))
 * ```
 */
export const make = (options: {
  /** Requests worked on at once. */
  readonly concurrent: number
  /** Requests that may wait for their turn. Defaults to 0. */
  readonly waiting?: number | undefined
  /** How long one waits at most. Defaults to `10 seconds`. */
  readonly maxWait?: Duration.Input | undefined
  /** What a refused client is told to wait before it tries again, in whole seconds. Defaults to `1 second`. */
  readonly retryAfter?: Duration.Input | undefined
}): RequestLimit => {
  const maxWait = Duration.fromInputUnsafe(options.maxWait ?? "10 seconds")
  const turns = new Turns(options.concurrent, options.waiting ?? 0)
  const retryAfter = Math.max(
    1,
    Math.ceil(Duration.toSeconds(Duration.fromInputUnsafe(options.retryAfter ?? "1 second")))
  )
  const refused = HttpProblem.response({
    type: "urn:ostinato:too-many-requests",
    status: 429,
    title: "Too many requests",
    detail: `${options.concurrent} requests are worked on here at once, and ${options.waiting ?? 0} may wait`,
    retryAfter
  })
  const turn = (request: Exchange) =>
    Effect.suspend(() => {
      const taken = turns.take()
      if (taken !== undefined) return Effect.succeed(taken)
      request.at = "queued"
      return Effect.timeoutOrElse(turns.next, { duration: maxWait, orElse: () => Effect.succeed(false) })
    })
  return {
    apply: (answer) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(currentExchange, (request) =>
          Effect.flatMap(restore(turn(request)), (isMine) => {
            if (request.at === "queued") request.at = "pending"
            if (!isMine) return Effect.succeed(refused)
            request.onEnd(() => turns.give())
            return restore(answer)
          }))
      ),
    running: Effect.sync(() => turns.running),
    waiting: Effect.sync(() => turns.waiting)
  }
}

/**
 * What is answered where no handler does.
 */
import * as Exit from "effect/Exit"
import * as HttpServerError from "effect/http/HttpServerError"
import type * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as HttpProblem from "../HttpProblem.ts"
import type { Reply } from "./Exchange.ts"

/** Its time is up. */
export const timedOut = (status: number, ms: number): Reply =>
  Exit.succeed(HttpProblem.response({
    type: "urn:ostinato:request-timeout",
    status,
    title: "The request took too long",
    detail: `there was no answer after ${ms} ms, and its work was stopped`,
    retryAfter: status === 503 ? 1 : undefined
  }))

/** Somebody ended it. */
export const cancelled = (status: number, detail: string | undefined): Reply =>
  Exit.succeed(HttpProblem.response({
    type: "urn:ostinato:request-cancelled",
    status,
    title: "The request was cancelled",
    detail
  }))

/** The service stops, and takes no request. */
export const refused: HttpServerResponse.HttpServerResponse = HttpProblem.response({
  type: "urn:ostinato:stopping",
  status: 503,
  title: "The service is stopping",
  retryAfter: 1
})

/** The service stops, and keeps none. */
export const stopped: Reply = Exit.succeed(refused)

/** So much is going on that nothing more is taken. */
export const full = (capacity: number): HttpServerResponse.HttpServerResponse =>
  HttpProblem.response({
    type: "urn:ostinato:requests-full",
    status: 503,
    title: "The service has too much to do",
    detail: `${capacity} requests are being answered, which is as many as are taken`,
    retryAfter: 1
  })

/** Nobody reads it. */
export const gone: Reply = Exit.succeed(HttpProblem.response({
  type: "urn:ostinato:client-left",
  status: 499,
  title: "The client left before the answer"
}))

/** Whoever was to answer is gone. */
export const dropped: HttpServerResponse.HttpServerResponse = HttpProblem.response(
  HttpProblem.failed("urn:ostinato:answer-dropped")
)

/** The work for an answer was stopped. */
export const interrupted: HttpServerResponse.HttpServerResponse = HttpProblem.response({
  type: "urn:ostinato:answer-interrupted",
  status: 503,
  title: "The work was stopped",
  retryAfter: 1
})

/** Of what is sent for it. */
export const statusOf = (reply: Reply): number => HttpServerError.exitResponse(reply).status

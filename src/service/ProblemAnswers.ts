/**
 * Every answer of the API that is no success is a problem (RFC 9457): also where no endpoint was found, or the request
 * could not be read so far.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerError from "effect/http/HttpServerError"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { AllowedMethods } from "./AllowedMethods.ts"

/**
 * Gives failures of requests below `/api` a body. What the service itself is to blame for goes to the log.
 *
 * @category layers
 */
export const layer = HttpRouter.middleware(
  Effect.map(AllowedMethods, ({ of }) => (answer) =>
    Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
      if (!/^\/api(?:[/?]|$)/.test(request.url)) return answer
      const told = (response: HttpServerResponse.HttpServerResponse) =>
        isTold(response) ? response : problem(request, response.status, of(request.url))
      return Effect.matchCauseEffect(answer, {
        onSuccess: (response) => Effect.succeed(told(response)),
        onFailure: (cause) =>
          Cause.hasInterruptsOnly(cause)
            ? Effect.failCause(cause)
            : Effect.tap(
              Effect.map(HttpServerError.causeResponse(cause), ([response]) => told(response)),
              ({ status }) =>
                status < 500
                  ? Effect.void
                  : Effect.logError(`${request.method} ${pathOf(request)} could not be answered`, cause)
            )
      })
    })),
  { global: true }
)

/** An application may tell of its problems in its own way. A body of another form (415) is told of in plain text, no more. */
const isTold = ({ body, headers, status }: HttpServerResponse.HttpServerResponse) =>
  status < 400 || headers["content-type"] === contentType || body._tag !== "Empty" && status !== 415

const contentType = "application/problem+json"

const pathOf = ({ url }: HttpServerRequest.HttpServerRequest) => url.split("?", 1)[0] ?? url

interface Problem {
  readonly type: string
  readonly status: number
  readonly title: string
  readonly detail?: string
}

const problem = (
  request: HttpServerRequest.HttpServerRequest,
  status: number,
  allowed: ReadonlyArray<string>
): HttpServerResponse.HttpServerResponse => {
  if (status === 404 && allowed.includes(request.method)) {
    return body({ type: "about:blank", status, title: "There is no such thing" })
  }
  if (status === 404 && allowed.length > 0) {
    return HttpServerResponse.setHeader(body(notAllowed(request, allowed)), "allow", allowed.join(", "))
  }
  return body(status === 404 ? notFound(pathOf(request)) : unread(request, status))
}

const body = (told: Problem) => HttpServerResponse.jsonUnsafe(told, { status: told.status, contentType })

const notAllowed = (request: HttpServerRequest.HttpServerRequest, allowed: ReadonlyArray<string>): Problem => ({
  type: "urn:ostinato:method-not-allowed",
  status: 405,
  title: "The endpoint does not take this method",
  detail: `${pathOf(request)} takes ${allowed.join(", ")}, not ${request.method}`
})

const notFound = (path: string): Problem =>
  isEncoded(path)
    ? {
      type: "urn:ostinato:endpoint-not-found",
      status: 404,
      title: "There is no such endpoint",
      detail: `there is no ${path}: see /api/openapi.json`
    }
    : {
      type: "urn:ostinato:path-malformed",
      status: 400,
      title: "The path cannot be read",
      detail: `${path} is not percent-encoded UTF-8: write a percent sign as %25`
    }

const isEncoded = (path: string) => {
  try {
    decodeURIComponent(path)
    return true
  } catch {
    return false
  }
}

/** What there is to say of a request that no endpoint has looked at. */
const unread = ({ headers }: HttpServerRequest.HttpServerRequest, status: number): Problem => {
  switch (status) {
    case 413:
      return {
        type: "urn:ostinato:body-too-large",
        status,
        title: "The body is too large",
        detail: `a body may have 4 MiB${told(headers["content-length"], "this one has", "bytes")}: ` +
          "store what is larger elsewhere and send where"
      }
    case 415:
      return {
        type: "urn:ostinato:body-not-json",
        status,
        title: "The body is not of a form that is read here",
        detail: `send application/json${told(headers["content-type"], "this is")}`
      }
    default:
      return status < 500
        ? { type: "about:blank", status, title: "The request cannot be read" }
        : { type: "urn:ostinato:failed", status, title: "The service failed; its log says why" }
  }
}

const told = (value: string | undefined, before: string, after = "") =>
  value === undefined ? "" : `; ${before} ${value.slice(0, 100)}${after === "" ? "" : ` ${after}`}`

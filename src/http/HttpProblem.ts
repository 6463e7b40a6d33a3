/**
 * Answers of this room that are no success: problem documents (RFC 9457), the same everywhere.
 */
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as ProblemDetails from "effect/http/ProblemDetails"

/**
 * What went wrong, for the program (`type`) and for the person (`title`, `detail`) that reads it.
 *
 * @category models
 */
export interface Problem {
  /** Stable, e.g. `urn:ostinato:request-timeout`. */
  readonly type: string
  readonly status: number
  readonly title: string
  readonly detail?: string | undefined
  /** Seconds after which it is worth trying again. */
  readonly retryAfter?: number | undefined
}

/**
 * The response that tells of a problem.
 *
 * @category constructors
 * @example
 * ```ts
 * import { HttpProblem } from "ostinato/http"
 *
 * const response = HttpProblem.response({
 *   type: "urn:example:busy",
 *   status: 429,
 *   title: "Too many requests",
 *   retryAfter: 2
 * })
 * response.headers["retry-after"] // => "2"
 * ```
 */
export const response = (
  { detail, retryAfter, status, title, type }: Problem
): HttpServerResponse.HttpServerResponse => {
  const plain = ProblemDetails.toResponse({ type, status, title, ...(detail === undefined ? {} : { detail }) })
  return retryAfter === undefined ? plain : HttpServerResponse.setHeader(plain, "retry-after", String(retryAfter))
}

/**
 * What a client is told where the service is to blame: nothing but that. The rest is for the log.
 *
 * @category constructors
 */
export const failed = (type = "urn:ostinato:failed"): Problem => ({
  type,
  status: 500,
  title: "The service failed; its log says why"
})

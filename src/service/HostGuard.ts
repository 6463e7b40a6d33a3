/**
 * Answers only requests that were meant for this machine.
 *
 * A page of another site can make its own name resolve to 127.0.0.1 and then read answers as if they were its own (DNS
 * rebinding). Its requests carry that name in `Host`, so a name that is not loopback is refused with 421. A page of
 * another site can also send what it cannot read: browsers say so, and nothing is changed for it (403).
 */
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"

/** Whether the value of a `Host` header names this machine. */
export const isLoopback = (host: string): boolean => /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?$/i.test(host)

/**
 * @category layers
 */
export const layer = HttpRouter.middleware(
  (response) =>
    Effect.flatMap(
      HttpServerRequest.HttpServerRequest,
      (request) =>
        !isLoopback(request.headers["host"] ?? "")
          ? Effect.succeed(misdirected)
          : isForeign(request)
          ? Effect.succeed(foreign)
          : response
    ),
  { global: true }
)

/** Whether a browser sends it for a page of somebody else, and it may change something. */
const isForeign = ({ headers, method }: HttpServerRequest.HttpServerRequest) =>
  method !== "GET" && method !== "HEAD" && /^(cross|same)-site$/.test(headers["sec-fetch-site"] ?? "")

const foreign = HttpServerResponse.jsonUnsafe({
  type: "urn:ostinato:cross-site",
  status: 403,
  title: "This service takes no orders from pages of other sites"
}, { status: 403, contentType: "application/problem+json" })

const misdirected = HttpServerResponse.jsonUnsafe({
  type: "urn:ostinato:misdirected",
  status: 421,
  title: "This service answers to localhost and loopback addresses only"
}, { status: 421, contentType: "application/problem+json" })

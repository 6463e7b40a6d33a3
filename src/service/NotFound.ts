/**
 * What the API answers where it has nothing: a problem, not an empty 404.
 */
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"

/**
 * @category layers
 */
export const layer = HttpRouter.add(
  "*",
  "/api/*",
  HttpServerResponse.jsonUnsafe({
    type: "urn:ostinato:endpoint-not-found",
    status: 404,
    title: "There is no such endpoint, or it does not take this method: see /api/openapi.json"
  }, { status: 404, contentType: "application/problem+json" })
)

/**
 * What operators can ask of the requests that are being answered: Schemas and endpoints, no code behind them. Safe for the
 * browser.
 */
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as Schema from "effect/Schema"
import { RequestSummary } from "../http/RequestState.ts"

/**
 * @category errors
 */
export class RequestUnknown extends HttpApiError.Problem<RequestUnknown>()("RequestUnknown", {
  type: "urn:ostinato:request-unknown",
  status: 404,
  title: "There is no such request on this node: it was answered at once, or ended too long ago"
}) {}

/**
 * @category errors
 */
export class RequestEnded extends HttpApiError.Problem<RequestEnded>()("RequestEnded", {
  type: "urn:ostinato:request-ended",
  status: 409,
  title: "The request has ended"
}) {}

const params = { id: Schema.String }

/**
 * The requests of the node that is asked.
 *
 * @category groups
 */
export class Requests extends HttpApiGroup.make("requests").add(
  // the active ones, oldest first
  HttpApiEndpoint.get("list", "/requests", { success: Schema.Struct({ items: Schema.Array(RequestSummary) }) }),
  // also one that has ended, for a while
  HttpApiEndpoint.get("get", "/requests/:id", { params, success: RequestSummary, error: RequestUnknown }),
  // its client is answered with 503 at once, its work is interrupted, and what that gives is dropped
  HttpApiEndpoint.delete("cancel", "/requests/:id", {
    params,
    success: RequestSummary,
    error: [RequestUnknown, RequestEnded]
  })
).prefix("/api/v1") {}

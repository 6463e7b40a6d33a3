/**
 * What the endpoints of the service have in common: problems that any of them may answer with, and parts of what is asked.
 */
import * as Context from "effect/Context"
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"

/**
 * @category errors
 */
export class StoreUnavailable extends HttpApiError.Problem<StoreUnavailable>()("StoreUnavailable", {
  type: "urn:ostinato:store-unavailable",
  status: 503,
  title: "The database does not answer: try again"
}) {}

/**
 * How an API reads requests: what does not fit is told with its value, all of it at once, and a name that is not known is
 * refused, because it may be a misspelt one.
 *
 * @category annotations
 */
export const strict = Context.make(HttpApi.ParamsParseOptions, { errors: "all", reportInput: true }).pipe(
  Context.add(HttpApi.QueryParseOptions, { errors: "all", reportInput: true, onExcessProperty: "error" }),
  Context.add(HttpApi.PayloadParseOptions, { errors: "all", reportInput: true, onExcessProperty: "error" })
)

/**
 * The size of a page in a query: from 1 to 200.
 *
 * @category models
 */
export const Limit = Schema.FiniteFromString.check(Schema.isInt(), Schema.isBetween({ minimum: 1, maximum: 200 }))

/**
 * What a person writes for the record: at most 1,000 characters.
 *
 * @category models
 */
export const Remark = Schema.String.check(Schema.isMaxLength(1000))

/**
 * Who wants something, and why.
 *
 * @category models
 */
export const by = {
  actor: Schema.optional(Schema.NullOr(Remark)),
  reason: Schema.optional(Schema.NullOr(Remark))
} as const

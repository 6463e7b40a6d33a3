/**
 * What the endpoints of the service have in common: problems that any of them may answer with, and parts of what is asked.
 */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"
import * as InstantText from "../core/InstantText.ts"

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

const notRead = Result.fail("")

/** Of text, or what was expected together with the text. */
function read<A, E>(decode: (text: string) => Result.Result<A, E>, encode: (value: A) => string, expected: string) {
  return SchemaTransformation.transformEffect<A, string>({
    decode: (text, options) =>
      Effect.mapError(Effect.fromResult(decode(text)), () => new SchemaIssue.InvalidValue({ expected }, text, options)),
    encode: (value) => Effect.succeed(encode(value))
  })
}

/**
 * The size of a page in a query: from 1 to 200.
 *
 * @category models
 */
export const Limit = Schema.String.annotate({ description: "A whole number from 1 to 200" }).pipe(
  Schema.decodeTo(
    Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 200 })),
    read(
      (text) => /^\d{1,6}$/.test(text) ? Result.succeed(Number(text)) : notRead,
      String,
      "a whole number from 1 to 200"
    )
  )
)

/**
 * An instant in a request, as `InstantText` reads it.
 *
 * @category models
 */
export const Instant = Schema.String.annotate({ description: `An instant, e.g. ${InstantText.examples}` }).pipe(
  Schema.decodeTo(
    Schema.DateTimeUtc,
    read(InstantText.parse, DateTime.formatIso, `an instant of the calendar, e.g. ${InstantText.examples}`)
  )
)

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

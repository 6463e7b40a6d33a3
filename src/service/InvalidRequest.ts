/**
 * Says of a request that does not fit its endpoint what does not: each value by its place, as it was sent.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import * as HttpServerRespondable from "effect/http/HttpServerRespondable"
import * as SchemaIssue from "effect/SchemaIssue"

/**
 * Answers 400 with `detail` for people and `errors`, 100 at most, for programs. An answer of the service's own that does not
 * fit is its fault: logged, and told as 500.
 *
 * @category layers
 */
export const layer = HttpApiMiddleware.layerSchemaErrorTransform(HttpApiMiddleware.ProblemDetails, (error) => {
  if (error.kind === "Body" || error.kind === "ResponseHeaders") {
    return Effect.andThen(
      Effect.logError("an answer does not fit what its endpoint promises", Cause.fail(error.cause)),
      HttpServerRespondable.toResponse(new HttpApiError.InternalServerErrorProblem())
    )
  }
  const all = issues(error.cause.issue).issues
  const errors = all.slice(0, listed).map(({ message, path = [] }) => ({
    path: [error.kind.toLowerCase(), ...path.map(segment)],
    message: message === noBody
      ? "the body is empty: send a JSON object, at least {}"
      : message.length > longest
      ? `${message.slice(0, longest)}…`
      : message
  }))
  const first = errors.slice(0, most).map(({ message, path }) => `${path.join(".")}: ${message}`)
  const rest = all.length - first.length
  return Effect.fail(
    new HttpApiError.BadRequestProblem({
      detail: `${first.join("; ")}${rest === 0 ? "" : `; and ${rest} more`}`,
      errors
    })
  )
})

/** What a Schema says of a body that is not there. */
const noBody = "Expected object, got undefined"

/** Characters of a message. */
const longest = 300

/** Problems that are told in words. */
const most = 5

/** Problems that are told to programs: a body of 4 MiB may have a million. */
const listed = 100

const issues = SchemaIssue.makeFormatterStandardSchemaV1()

const segment = (part: PropertyKey | { readonly key: PropertyKey }): string | number => {
  const key = typeof part === "object" ? part.key : part
  return typeof key === "number" ? key : String(key)
}

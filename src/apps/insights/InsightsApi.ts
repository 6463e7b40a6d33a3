/**
 * What Insights answers over HTTP: Schemas and endpoints. Safe for the browser.
 */
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import * as Schema from "effect/Schema"
import * as AdminApi from "ostinato/service/AdminApi"

/** There is no repository with that id. */
export class RepositoryNotFound extends HttpApiError.Problem<RepositoryNotFound>()("RepositoryNotFound", {
  type: "urn:ostinato:insights:repository-not-found",
  status: 404,
  title: "There is no such repository"
}) {}

/** The series has more values than one answer may hold. */
export class SeriesTooLong extends HttpApiError.Problem<SeriesTooLong>()("SeriesTooLong", {
  type: "urn:ostinato:insights:series-too-long",
  status: 422,
  title: "The series is too long: choose a wider bucket"
}) {}

/** What is stored does not have the form of figures; the log says more. */
export class FiguresUnreadable extends HttpApiError.Problem<FiguresUnreadable>()("FiguresUnreadable", {
  type: "urn:ostinato:insights:figures-unreadable",
  status: 500,
  title: "The stored figures have an unknown form: the log of the service says more"
}) {}

/** A day of the calendar, `YYYY-MM-DD`. */
export const Day = Schema.String.check(Schema.isPattern(/^\d{4}-\d{2}-\d{2}$/))

/** Figures of one repository, over everything that can be reached from its head. */
export class RepositoryFigures extends Schema.Class<RepositoryFigures>("insights/RepositoryFigures")({
  id: Schema.String,
  name: Schema.String,
  path: Schema.String,
  /** Null when the head is detached. */
  branch: Schema.NullOr(Schema.String),
  head: Schema.String,
  /** Merges included: `git rev-list --count HEAD`. */
  commits: Schema.Int,
  /** Identities after mailmap: the lines of `git shortlog -sne HEAD`. */
  contributors: Schema.Int,
  /** Lines added, merges not counted. */
  additions: Schema.Int,
  /** Lines deleted, merges not counted. */
  deletions: Schema.Int,
  firstDay: Schema.NullOr(Day),
  lastDay: Schema.NullOr(Day),
  syncedAt: Schema.DateTimeUtc
}) {}

/** A value of a series: the first day of its bucket, and the sum in it. */
export const Point = Schema.Struct({ at: Day, value: Schema.Int })

/** What one author did. */
export const Contributor = Schema.Struct({
  name: Schema.String,
  commits: Schema.Int,
  additions: Schema.Int,
  deletions: Schema.Int
})

/** The figures that have a series. */
export const SeriesMetric = Schema.Literals(["commits", "additions", "deletions"])

/** The width of a bucket; weeks start on Monday. */
export const Bucket = Schema.Literals(["day", "week", "month"])

const params = { id: Schema.String }
const unread = [AdminApi.StoreUnavailable, FiguresUnreadable] as const
const error = [RepositoryNotFound, ...unread] as const

/** Repositories and what is known of them. */
export class Repositories extends HttpApiGroup.make("repositories").add(
  HttpApiEndpoint.get("list", "/repositories", {
    success: Schema.Struct({ items: Schema.Array(RepositoryFigures) }),
    error: unread
  }),
  HttpApiEndpoint.get("get", "/repositories/:id", { params, success: RepositoryFigures, error }),
  HttpApiEndpoint.get("series", "/repositories/:id/series", {
    params,
    query: { metric: SeriesMetric, bucket: Schema.optional(Bucket) },
    success: Schema.Struct({ items: Schema.Array(Point) }),
    error: [...error, SeriesTooLong]
  }),
  HttpApiEndpoint.get("contributors", "/repositories/:id/contributors", {
    params,
    query: { limit: Schema.optional(AdminApi.Limit) },
    success: Schema.Struct({ items: Schema.Array(Contributor) }),
    error
  })
).prefix("/api/v1/insights") {}

/** The API of Insights. */
export class InsightsApi
  extends HttpApi.make("insights").add(Repositories).middleware(HttpApiMiddleware.ProblemDetails)
{}

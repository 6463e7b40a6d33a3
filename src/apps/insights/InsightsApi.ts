/**
 * What Insights answers over HTTP: Schemas and endpoints. Safe for the browser.
 */
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as Schema from "effect/Schema"
import * as ApiProblem from "ostinato/service/ApiProblem"
import { metricKinds, type MetricName } from "./metricKinds.ts"

/** There is no repository with that id. */
export class RepositoryNotFound extends HttpApiError.Problem<RepositoryNotFound>()("RepositoryNotFound", {
  type: "urn:ostinato:insights:repository-not-found",
  status: 404,
  title: "There is no such repository"
}) {}

/** There is no account with that id. */
export class AccountNotFound extends HttpApiError.Problem<AccountNotFound>()("AccountNotFound", {
  type: "urn:ostinato:insights:account-not-found",
  status: 404,
  title: "There is no such account"
}) {}

/** There is no platform with that id. */
export class PlatformNotFound extends HttpApiError.Problem<PlatformNotFound>()("PlatformNotFound", {
  type: "urn:ostinato:insights:platform-not-found",
  status: 404,
  title: "There is no such platform"
}) {}

/** No run of Insights has that id, or it looked at no repository. */
export class RunUnknown extends HttpApiError.Problem<RunUnknown>()("RunUnknown", {
  type: "urn:ostinato:insights:run-not-found",
  status: 404,
  title: "There is no such run with repositories"
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

// Date.parse takes 31 February for a day of March, and the database has no year 0
const isOnCalendar = (day: string): boolean => {
  const millis = Date.parse(`${day}T00:00:00Z`)
  return day >= "0001" && !Number.isNaN(millis) && new Date(millis).toISOString().startsWith(day)
}

/** A day of the calendar, `YYYY-MM-DD`. */
export const Day = Schema.String.check(
  Schema.isPattern(/^\d{4}-\d{2}-\d{2}$/),
  Schema.makeFilter((day) => isOnCalendar(day) || `no day of the calendar: ${day}`)
)

/** Values by the name of their metric. */
const Metrics = Schema.Record(Schema.String, Schema.Int)

/** Figures of one repository, over everything that can be reached from its head. */
export class RepositoryFigures extends Schema.Class<RepositoryFigures>("insights/RepositoryFigures")({
  id: Schema.String,
  /** Null until it was rolled up for the first time. */
  accountId: Schema.NullOr(Schema.String),
  name: Schema.String,
  /** The real path of a clone, or the URL of a mirrored repository. */
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
  /** Files of the head, and their bytes: `git ls-tree -r -l HEAD`. */
  files: Schema.Int,
  bytes: Schema.Int,
  /** Tags that lead to a commit. */
  releases: Schema.Int,
  /** The least number of authors who together made half of the commits. */
  busFactor: Schema.Int,
  firstDay: Schema.NullOr(Day),
  lastDay: Schema.NullOr(Day),
  syncedAt: Schema.DateTimeUtc,
  metrics: Metrics
}) {}

/** Figures of an account: sums over its repositories. */
export const AccountFigures = Schema.Struct({
  id: Schema.String,
  platformId: Schema.NullOr(Schema.String),
  login: Schema.String,
  metrics: Metrics
})

/** Figures of a platform: sums over its accounts. */
export const PlatformFigures = Schema.Struct({
  id: Schema.String,
  kind: Schema.String,
  /** Empty for the machine that the service runs on. */
  baseUrl: Schema.String,
  name: Schema.String,
  metrics: Metrics
})

/** A value of a series: the first day of its bucket, and the value in it. */
export const Point = Schema.Struct({ at: Day, value: Schema.Int })

/** What one author did. */
export const Contributor = Schema.Struct({
  name: Schema.String,
  commits: Schema.Int,
  additions: Schema.Int,
  deletions: Schema.Int
})

/** Commits of one hour of the week, as their authors lived it; 1 is Monday. */
export const WeekHour = Schema.Struct({ weekday: Schema.Int, hour: Schema.Int, commits: Schema.Int })

/** What is written in one language. */
export const LanguageFigures = Schema.Struct({ language: Schema.String, files: Schema.Int, bytes: Schema.Int })

/** A tag that leads to a commit. */
export const Release = Schema.Struct({ name: Schema.String, commit: Schema.String, at: Schema.DateTimeUtc })

/** A place in a ranking. */
export const Ranked = Schema.Struct({ id: Schema.String, name: Schema.String, value: Schema.Int })

/** How one repository fared in a run. */
export const RunItem = Schema.Struct({
  place: Schema.String,
  status: Schema.Literals(["completed", "failed"]),
  ms: Schema.Int,
  error: Schema.NullOr(Schema.String)
})

/** The figures that have a series by day of commit. */
export const SeriesMetric = Schema.Literals(["commits", "additions", "deletions"])

/** The width of a bucket; weeks start on Monday. */
export const Bucket = Schema.Literals(["day", "week", "month"])

/** What has metrics. */
export const EntityKind = Schema.Literals(["repository", "account", "platform"])

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the keys of a literal
const metricNames = Object.keys(metricKinds) as ReadonlyArray<MetricName>

/** The name of a metric with values by day of collection. */
export const Metric = Schema.Literals(metricNames)

/** How a value of a repository has changed. */
export const Change = Schema.Struct({
  metric: Schema.String,
  value: Schema.Int,
  /** Since 7 and 30 days ago; null where nothing was known then. */
  days7: Schema.NullOr(Schema.Int),
  days30: Schema.NullOr(Schema.Int)
})

/** What a page about one repository shows first. */
export const Summary = Schema.Struct({
  repository: RepositoryFigures,
  /** Days from the first commit to today; null without commits. */
  ageDays: Schema.NullOr(Schema.Int),
  /** Commits of the last 26 weeks of the history, oldest first. */
  weeks: Schema.Array(Point),
  changes: Schema.Array(Change),
  hours: Schema.Array(WeekHour),
  languages: Schema.Array(LanguageFigures),
  /** The newest five. */
  releases: Schema.Array(Release)
})

const params = { id: Schema.String }
const page = { after: Schema.optional(Schema.String.check(Schema.isUUID())), limit: Schema.optional(ApiProblem.Limit) }
const limit = { limit: Schema.optional(ApiProblem.Limit) }
const unread = [ApiProblem.StoreUnavailable, FiguresUnreadable] as const
const error = [RepositoryNotFound, ...unread] as const

const items = <S extends Schema.Top>(item: S) => Schema.Struct({ items: Schema.Array(item) })

/** A list with the value of `after` for what follows; null at its end. */
const pageOf = <S extends Schema.Top>(item: S) =>
  Schema.Struct({ items: Schema.Array(item), next: Schema.NullOr(Schema.String) })

/** Repositories and what is known of them. */
export class Repositories extends HttpApiGroup.make("repositories").add(
  HttpApiEndpoint.get("list", "/repositories", { query: page, success: pageOf(RepositoryFigures), error: unread }),
  HttpApiEndpoint.get("get", "/repositories/:id", { params, success: RepositoryFigures, error }),
  HttpApiEndpoint.get("summary", "/repositories/:id/summary", {
    params,
    success: Summary,
    error: [...error, SeriesTooLong]
  }),
  HttpApiEndpoint.get("series", "/repositories/:id/series", {
    params,
    query: { metric: SeriesMetric, bucket: Schema.optional(Bucket) },
    success: items(Point),
    error: [...error, SeriesTooLong]
  }),
  HttpApiEndpoint.get("contributors", "/repositories/:id/contributors", {
    params,
    query: limit,
    success: items(Contributor),
    error
  }),
  HttpApiEndpoint.get("hours", "/repositories/:id/hours", { params, success: items(WeekHour), error }),
  HttpApiEndpoint.get("languages", "/repositories/:id/languages", { params, success: items(LanguageFigures), error }),
  HttpApiEndpoint.get("releases", "/repositories/:id/releases", {
    params,
    query: limit,
    success: items(Release),
    error
  }),
  // enqueues a job that collects this one; the run is found under its id at once. While one has not ended, that one
  HttpApiEndpoint.post("sync", "/repositories/:id/sync", {
    params,
    success: Schema.Struct({ runId: Schema.String }).pipe(HttpApiSchema.status(202)),
    error
  }),
  // hidden from every list and sum from now on, and not collected any more
  HttpApiEndpoint.delete("remove", "/repositories/:id", { params, success: HttpApiSchema.NoContent, error })
).prefix("/api/v1/insights") {}

/** Sums over repositories. */
export class Accounts extends HttpApiGroup.make("accounts").add(
  HttpApiEndpoint.get("accounts", "/accounts", { query: page, success: pageOf(AccountFigures), error: unread }),
  HttpApiEndpoint.get("account", "/accounts/:id", {
    params,
    success: AccountFigures,
    error: [AccountNotFound, ...unread]
  }),
  HttpApiEndpoint.get("platforms", "/platforms", { query: page, success: pageOf(PlatformFigures), error: unread }),
  HttpApiEndpoint.get("platform", "/platforms/:id", {
    params,
    success: PlatformFigures,
    error: [PlatformNotFound, ...unread]
  })
).prefix("/api/v1/insights") {}

/** Series, rankings, exports, and what a run met. */
export class Reports extends HttpApiGroup.make("reports").add(
  HttpApiEndpoint.get("metricsSeries", "/metrics-series", {
    query: {
      entity: EntityKind,
      id: Schema.String.check(Schema.isUUID()),
      metric: Metric,
      from: Schema.optional(Day),
      to: Schema.optional(Day),
      bucket: Schema.optional(Bucket),
      fill: Schema.optional(Schema.Literals(["none", "zero", "last"]))
    },
    success: items(Point),
    error: [...unread, SeriesTooLong]
  }),
  HttpApiEndpoint.get("leaderboard", "/leaderboard", {
    query: { of: Schema.optional(EntityKind), metric: Schema.optional(Metric), ...limit },
    success: items(Ranked),
    error: unread
  }),
  HttpApiEndpoint.get("exportCsv", "/export.csv", {
    query: { of: Schema.optional(EntityKind) },
    success: Schema.String.pipe(HttpApiSchema.asText({ contentType: "text/csv; charset=utf-8" })),
    error: unread
  }),
  HttpApiEndpoint.get("exportJson", "/export.json", {
    success: Schema.Struct({
      repositories: Schema.Array(RepositoryFigures),
      accounts: Schema.Array(AccountFigures),
      platforms: Schema.Array(PlatformFigures)
    }),
    error: unread
  }),
  HttpApiEndpoint.get("run", "/runs/:id", { params, success: items(RunItem), error: [RunUnknown, ...unread] })
).prefix("/api/v1/insights") {}

/** The API of Insights. */
export class InsightsApi extends HttpApi.make("insights").add(Repositories).add(Accounts).add(Reports)
  .annotateMerge(ApiProblem.strict).middleware(HttpApiMiddleware.ProblemDetails)
{}

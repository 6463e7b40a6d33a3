/**
 * Reads the figures of repositories. What was deleted is not there.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"
import type * as Statement from "effect/sql/Statement"
import { decoder } from "./FiguresError.ts"
import {
  type Bucket,
  Change,
  Contributor,
  LanguageFigures,
  Point,
  Release,
  RepositoryFigures,
  type SeriesMetric,
  SeriesTooLong,
  WeekHour
} from "./InsightsApi.ts"

/** The most values in one series. */
export const seriesLimit = 20_000

/** A part of a list: what comes after the item with this id, or the start of it. */
export interface Page {
  readonly after: string | undefined
  readonly limit: number
}

/** The reading statements on one client. */
export const make = (sql: SqlClient.SqlClient) => {
  const select = (where: Statement.Fragment, limit?: number) =>
    Effect.map(
      rows(sql`
        SELECT r.id::text, r.account_id::text AS "accountId", r.name, r.path, r.branch, r.head, r.commits::float8,
          r.contributors::float8, r.additions::float8, r.deletions::float8, r.files::float8, r.bytes::float8,
          r.releases::float8, r.bus_factor::float8 AS "busFactor", to_char(r.first_day, 'YYYY-MM-DD') AS "firstDay",
          to_char(r.last_day, 'YYYY-MM-DD') AS "lastDay", r.synced_at AS "syncedAt",
          ${metricsOf(sql, "repository", "r.id")} AS metrics
        FROM insights.repository r WHERE r.deleted_at IS NULL AND ${where} ORDER BY r.name, r.path, r.id
        ${limit === undefined ? sql`` : sql`LIMIT ${limit}`}`),
      (rows) => rows.map((row) => new RepositoryFigures(row))
    )

  return {
    list: select(sql`true`),
    page: ({ after, limit }: Page) =>
      select(
        after === undefined ? sql`true` : sql`(r.name, r.path, r.id) > (
          SELECT name, path, id FROM insights.repository WHERE id = ${after}::uuid)`,
        limit
      ),
    get: (id: string) => Effect.map(select(sql`r.id = ${id}::uuid`), (rows) => rows[0] ?? null),

    series: (id: string, metric: typeof SeriesMetric.Type, bucket: typeof Bucket.Type) =>
      points(sql`
        WITH b AS (
          SELECT generate_series(date_trunc(${bucket}, first_day::timestamp), last_day::timestamp,
            ${`1 ${bucket}`}::text::interval) AS at
          FROM insights.repository WHERE id = ${id}::uuid LIMIT ${seriesLimit + 1}
        ), d AS (
          SELECT date_trunc(${bucket}, day::timestamp) AS at, sum(${sql(metric)}) AS value
          FROM insights.commit_day WHERE repository_id = ${id}::uuid GROUP BY 1
        )
        SELECT to_char(b.at, 'YYYY-MM-DD') AS at, coalesce(d.value, 0)::float8 AS value
        FROM b LEFT JOIN d ON d.at = b.at ORDER BY b.at`).pipe(notTooLong(bucket)),

    contributors: (id: string, limit: number) =>
      contributors(sql`
        SELECT a.name, sum(d.commits)::float8 AS commits, sum(d.additions)::float8 AS additions,
          sum(d.deletions)::float8 AS deletions
        FROM insights.commit_day d JOIN insights.author a ON a.id = d.author_id
        WHERE d.repository_id = ${id}::uuid
        GROUP BY a.id ORDER BY commits DESC, a.name LIMIT ${limit}`),

    hours: (id: string) =>
      hours(sql`
        SELECT weekday::int, hour::int, commits::float8 FROM insights.commit_hour
        WHERE repository_id = ${id}::uuid ORDER BY weekday, hour`),

    languages: (id: string) =>
      languages(sql`
        SELECT language, files::float8, bytes::float8 FROM insights.language_bytes
        WHERE repository_id = ${id}::uuid ORDER BY bytes DESC, language`),

    /** Since the first commit; null without one. */
    ageDays: (id: string) =>
      Effect.map(
        ages(sql`
          SELECT ((now() AT TIME ZONE 'UTC')::date - first_day)::int AS days FROM insights.repository
          WHERE id = ${id}::uuid`),
        ([row]) => row?.days ?? null
      ),

    /** By metric: the change of a gauge, the sum of a daily metric. */
    changes: (id: string) =>
      changes(sql`
        SELECT t.metric, t.value::float8, ${since(sql, 7)} AS "days7", ${since(sql, 30)} AS "days30"
        FROM insights.metric_total t JOIN insights.metric m ON m.name = t.metric
        WHERE t.entity_kind = 'repository' AND t.entity_id = ${id}::uuid ORDER BY t.metric`),

    releases: (id: string, limit: number) =>
      releases(sql`
        SELECT name, commit, at FROM insights.release
        WHERE repository_id = ${id}::uuid ORDER BY at DESC, name DESC LIMIT ${limit}`)
  }
}

const since = (sql: SqlClient.SqlClient, days: number) =>
  sql`CASE m.kind
    WHEN 'daily' THEN (
      SELECT coalesce(sum(p.value), 0) FROM insights.metric_point p
      WHERE p.entity_kind = 'repository' AND p.entity_id = t.entity_id AND p.metric = t.metric
        AND p.at > (now() AT TIME ZONE 'UTC')::date - ${days}::int)
    ELSE t.value - (
      SELECT p.value FROM insights.metric_point p
      WHERE p.entity_kind = 'repository' AND p.entity_id = t.entity_id AND p.metric = t.metric
        AND p.at <= (now() AT TIME ZONE 'UTC')::date - ${days}::int
      ORDER BY p.at DESC LIMIT 1)
  END::float8`

/** Everything that is known of an entity under the names of metrics, as one JSON object. */
export const metricsOf = (sql: SqlClient.SqlClient, kind: "repository" | "account" | "platform", id: string) =>
  sql`coalesce((
    SELECT jsonb_object_agg(t.metric, t.value) FROM insights.metric_total t
    WHERE t.entity_kind = ${kind} AND t.entity_id = ${sql.literal(id)}), '{}'::jsonb)`

/** Fails where there are more values than one answer may hold. */
export const notTooLong =
  (bucket: typeof Bucket.Type) =>
  <A, E>(points: Effect.Effect<ReadonlyArray<A>, E>): Effect.Effect<ReadonlyArray<A>, E | SeriesTooLong> =>
    Effect.filterOrFail(points, (points) => points.length <= seriesLimit, () =>
      new SeriesTooLong({
        detail: `by ${bucket} the series has more than ${seriesLimit} values: ask for it by ${
          bucket === "day" ? "week" : "month"
        }`
      }))

const rows = decoder(Schema.Struct({ ...RepositoryFigures.fields, syncedAt: Schema.DateTimeUtcFromDate }))
const points = decoder(Point)
const contributors = decoder(Contributor)
const hours = decoder(WeekHour)
const languages = decoder(LanguageFigures)
const ages = decoder(Schema.Struct({ days: Schema.NullOr(Schema.Int) }))
const changes = decoder(Change)
const releases = decoder(Schema.Struct({ ...Release.fields, at: Schema.DateTimeUtcFromDate }))

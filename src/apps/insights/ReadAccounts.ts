/**
 * Reads the figures of accounts and platforms, rankings, and the history of any metric. An account is there while it has
 * a repository that was not deleted, a platform while it has such an account.
 */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type * as Statement from "effect/sql/Statement"
import { decoder } from "./FiguresError.ts"
import { AccountFigures, type Bucket, type EntityKind, PlatformFigures, Point, Ranked, RunItem } from "./InsightsApi.ts"
import { metricKinds, type MetricName } from "./metricKinds.ts"
import { metricsOf, notTooLong, type Page, seriesLimit } from "./ReadRepositories.ts"

/** What a series of a metric is asked for. */
export interface MetricSeries {
  readonly kind: typeof EntityKind.Type
  readonly id: string
  readonly metric: MetricName
  /** Days, both included. */
  readonly from: string | undefined
  readonly to: string | undefined
  readonly bucket: typeof Bucket.Type
  /** Buckets without a value: left out, 0, or the value before. */
  readonly fill: "none" | "zero" | "last"
}

/** The reading statements on one client. */
export const make = (sql: SqlClient.SqlClient) => {
  const live = sql`EXISTS (SELECT FROM insights.repository r WHERE r.account_id = a.id AND r.deleted_at IS NULL)`

  const accounts = (where: Statement.Fragment, limit: number) =>
    accountRows(sql`
      SELECT a.id::text, a.platform_id::text AS "platformId", a.login, ${metricsOf(sql, "account", "a.id")} AS metrics
      FROM insights.account a WHERE ${live} AND ${where} ORDER BY a.login, a.id LIMIT ${limit}`)

  const platforms = (where: Statement.Fragment, limit: number) =>
    platformRows(sql`
      SELECT p.id::text, p.kind, p.base_url AS "baseUrl", p.name, ${metricsOf(sql, "platform", "p.id")} AS metrics
      FROM insights.platform p
      WHERE EXISTS (SELECT FROM insights.account a WHERE a.platform_id = p.id AND ${live}) AND ${where}
      ORDER BY p.name, p.id LIMIT ${limit}`)

  const ranked = {
    repository: sql`SELECT id, name FROM insights.repository WHERE deleted_at IS NULL`,
    account: sql`SELECT a.id, a.login AS name FROM insights.account a WHERE ${live}`,
    platform: sql`SELECT id, name FROM insights.platform`
  }

  return {
    accounts: ({ after, limit }: Page) =>
      accounts(
        after === undefined
          ? sql`true`
          : sql`(a.login, a.id) > (SELECT login, id FROM insights.account WHERE id = ${after}::uuid)`,
        limit
      ),
    account: (id: string) => Effect.map(accounts(sql`a.id = ${id}::uuid`, 1), (rows) => rows[0] ?? null),
    platforms: ({ after, limit }: Page) =>
      platforms(
        after === undefined
          ? sql`true`
          : sql`(p.name, p.id) > (SELECT name, id FROM insights.platform WHERE id = ${after}::uuid)`,
        limit
      ),
    platform: (id: string) => Effect.map(platforms(sql`p.id = ${id}::uuid`, 1), (rows) => rows[0] ?? null),

    /** Highest value first. */
    leaderboard: (kind: typeof EntityKind.Type, metric: MetricName, limit: number) =>
      rankedRows(sql`
        SELECT e.id::text, e.name, t.value::float8
        FROM insights.metric_total t JOIN (${ranked[kind]}) e ON e.id = t.entity_id
        WHERE t.entity_kind = ${kind} AND t.metric = ${metric} ORDER BY t.value DESC, e.name, e.id LIMIT ${limit}`),

    /** Oldest first. The value of a bucket is the newest one in it for a gauge, else the sum. */
    metricSeries: ({ bucket, fill, from, id, kind, metric, to }: MetricSeries) => {
      const gauge = metricKinds[metric] === "gauge"
      const value = gauge ? sql`(array_agg(value ORDER BY at DESC))[1]` : sql`sum(value)`
      const found = sql`
        p AS (
          SELECT date_trunc(${bucket}, at::timestamp) AS bucket, at, value FROM insights.metric_point
          WHERE entity_kind = ${kind} AND entity_id = ${id}::uuid AND metric = ${metric}
            AND at >= coalesce(${from ?? null}::text::date, '-infinity')
            AND at <= coalesce(${to ?? null}::text::date, 'infinity')
        ), v AS (SELECT bucket AS at, ${value} AS value FROM p GROUP BY bucket)`
      const text = fill === "none"
        ? sql`WITH ${found} SELECT to_char(at, 'YYYY-MM-DD') AS at, value::float8 FROM v ORDER BY v.at LIMIT ${
          seriesLimit + 1
        }`
        : sql`
          WITH ${found}, b AS (
            SELECT generate_series(min(at), max(at), ${`1 ${bucket}`}::text::interval) AS at FROM v
            LIMIT ${seriesLimit + 1}
          ), g AS (
            -- the rows of one group share the value that comes first in it
            SELECT b.at, v.value, count(v.value) OVER (ORDER BY b.at) AS filled FROM b LEFT JOIN v ON v.at = b.at
          )
          SELECT to_char(at, 'YYYY-MM-DD') AS at,
            coalesce(${fill === "zero" ? sql`value` : sql`max(value) OVER (PARTITION BY filled)`}, 0)::float8 AS value
          FROM g ORDER BY g.at`
      return pointRows(text).pipe(notTooLong(bucket))
    },

    /** How the repositories of a run fared. */
    runItems: (runId: string) =>
      itemRows(sql`
        SELECT place, status, ms::float8, error FROM insights.run_item WHERE run_id = ${runId}::uuid ORDER BY place`)
  }
}

const accountRows = decoder(AccountFigures)
const platformRows = decoder(PlatformFigures)
const rankedRows = decoder(Ranked)
const pointRows = decoder(Point)
const itemRows = decoder(RunItem)

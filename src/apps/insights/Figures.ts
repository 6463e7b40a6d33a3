/**
 * The figures that Insights keeps: written whole for a repository, read as lists, series and rankings.
 *
 * Writing is one transaction and may be repeated: the same history gives the same rows, and a history that was
 * rewritten replaces what was there. Readers see the old figures or the new ones, never a mixture.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type * as Statement from "effect/sql/Statement"
import * as SqlFault from "ostinato/store/SqlFault"
import * as StoredText from "ostinato/store/StoredText"
import type { Repository } from "./Git.ts"
import type { History } from "./GitHistory.ts"
import { type Bucket, Contributor, Point, RepositoryFigures, type SeriesMetric, SeriesTooLong } from "./InsightsApi.ts"

/** The figures could not be read or written. */
export class FiguresUnavailable extends Schema.TaggedError<FiguresUnavailable>()("FiguresUnavailable", {
  detail: Schema.String
}) {
  override get message() {
    return `the figures of Insights could not be reached in the database: ${this.detail}`
  }
}

/** What is stored does not have the form of figures. */
export class FiguresInvalid extends Schema.TaggedError<FiguresInvalid>()("FiguresInvalid", {
  detail: Schema.String
}) {
  override get message() {
    return `the stored figures of Insights have an unknown form; collecting the repository again may mend them: ${this.detail}`
  }
}

/** Why figures could not be read. */
export type ReadError = FiguresUnavailable | FiguresInvalid

/** The most buckets in one series. */
export const seriesLimit = 20_000

/** The figures in the database. An id that is no UUID names no repository. */
export class Figures extends Context.Service<Figures, {
  readonly write: (repository: Repository, history: History) => Effect.Effect<void, FiguresUnavailable>
  /** By name. */
  readonly list: Effect.Effect<ReadonlyArray<RepositoryFigures>, ReadError>
  /** Null when there is none. */
  readonly get: (id: string) => Effect.Effect<RepositoryFigures | null, ReadError>
  /**
   * Oldest first, from the first to the last day of the history; buckets without commits have the value 0. Fails with
   * `SeriesTooLong` where that would be more than `seriesLimit`.
   */
  readonly series: (
    id: string,
    metric: typeof SeriesMetric.Type,
    bucket: typeof Bucket.Type
  ) => Effect.Effect<ReadonlyArray<typeof Point.Type>, ReadError | SeriesTooLong>
  /** Most commits first. */
  readonly contributors: (
    id: string,
    limit: number
  ) => Effect.Effect<ReadonlyArray<typeof Contributor.Type>, ReadError>
}>()("ostinato/apps/insights/Figures") {
  static readonly layer = Layer.effect(
    Figures,
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient

      const repository = (
        { branch, head, name, root }: Repository,
        { additions, authors, commits, days, deletions }: History
      ) =>
        sql<{ id: string }>`
          INSERT INTO insights.repository AS r (path, name, branch, head, commits, contributors, additions, deletions, first_day, last_day)
          VALUES (${root}, ${name}, ${branch}, ${head}, ${commits}, ${authors.length}, ${additions}, ${deletions},
            ${days[0]?.day ?? null}::text::date, ${days.at(-1)?.day ?? null}::text::date)
          ON CONFLICT (path) DO UPDATE SET name = excluded.name, branch = excluded.branch, head = excluded.head,
            commits = excluded.commits, contributors = excluded.contributors, additions = excluded.additions,
            deletions = excluded.deletions, first_day = excluded.first_day, last_day = excluded.last_day, synced_at = now()
          RETURNING id::text`

      // sorted, so that two writers with authors in common cannot wait for each other
      const authors = ({ authors }: History) =>
        sql`
          INSERT INTO insights.author (name, email_hash)
          SELECT DISTINCT name, sha256(i.email_key || convert_to(email, 'UTF8')) AS email_hash
          FROM unnest(${authors.map((author) => StoredText.text(author.name))}::text[], ${
          authors.map((author) => StoredText.text(author.email))
        }::text[]) AS a(name, email),
            insights.installation i
          ORDER BY name, email_hash ON CONFLICT DO NOTHING`

      // two identities that differ only in bytes that are not text share one row
      const days = (id: string, { authors, days }: History) =>
        sql`
          INSERT INTO insights.commit_day (repository_id, day, author_id, commits, additions, deletions)
          SELECT ${id}::uuid, d.day::date, a.id, sum(d.commits), sum(d.additions), sum(d.deletions)
          FROM unnest(${days.map((day) => day.day)}::text[], ${
          days.map((day) => StoredText.text(authors[day.author]?.name ?? ""))
        }::text[],
              ${days.map((day) => StoredText.text(authors[day.author]?.email ?? ""))}::text[], ${
          days.map((day) => day.commits)
        }::bigint[],
              ${days.map((day) => day.additions)}::bigint[], ${days.map((day) => day.deletions)}::bigint[])
            AS d(day, name, email, commits, additions, deletions)
          CROSS JOIN insights.installation i
          JOIN insights.author a ON a.name = d.name AND a.email_hash = sha256(i.email_key || convert_to(d.email, 'UTF8'))
          GROUP BY d.day, a.id`

      const select = (where: Statement.Fragment) =>
        read(
          sql`
            SELECT id::text, name, path, branch, head, commits::float8, contributors::float8, additions::float8,
              deletions::float8, to_char(first_day, 'YYYY-MM-DD') AS "firstDay",
              to_char(last_day, 'YYYY-MM-DD') AS "lastDay", synced_at AS "syncedAt"
            FROM insights.repository WHERE ${where} ORDER BY name, path`,
          decodeRepositories
        )

      const series = (id: string, metric: typeof SeriesMetric.Type, bucket: typeof Bucket.Type) =>
        read(
          sql`
            WITH b AS (
              SELECT generate_series(date_trunc(${bucket}, first_day::timestamp), last_day::timestamp,
                ${`1 ${bucket}`}::text::interval) AS at
              FROM insights.repository WHERE id = ${id}::uuid LIMIT ${seriesLimit + 1}
            ), d AS (
              SELECT date_trunc(${bucket}, day::timestamp) AS at, sum(${sql(metric)}) AS value
              FROM insights.commit_day WHERE repository_id = ${id}::uuid GROUP BY 1
            )
            SELECT to_char(b.at, 'YYYY-MM-DD') AS at, coalesce(d.value, 0)::float8 AS value
            FROM b LEFT JOIN d ON d.at = b.at ORDER BY b.at`,
          decodePoints
        ).pipe(Effect.filterOrFail(
          (points) => points.length <= seriesLimit,
          () =>
            new SeriesTooLong({
              detail: `by ${bucket} the series has more than ${seriesLimit} values: ask for it by ${
                bucket === "day" ? "week" : "month"
              }`
            })
        ))

      const contributors = (id: string, limit: number) =>
        read(
          sql`
            SELECT a.name, sum(d.commits)::float8 AS commits, sum(d.additions)::float8 AS additions,
              sum(d.deletions)::float8 AS deletions
            FROM insights.commit_day d JOIN insights.author a ON a.id = d.author_id
            WHERE d.repository_id = ${id}::uuid
            GROUP BY a.id ORDER BY commits DESC, a.name LIMIT ${limit}`,
          decodeContributors
        )

      return Figures.of({
        write: Effect.fn("Figures.write")(
          function*(opened, history) {
            const id = (yield* repository(opened, history))[0]?.id ?? ""
            yield* authors(history)
            yield* sql`DELETE FROM insights.commit_day WHERE repository_id = ${id}::uuid`
            yield* days(id, history)
          },
          sql.withTransaction,
          Effect.mapError(unavailable)
        ),
        list: select(sql`true`),
        get: (id) =>
          isId(id) ? Effect.map(select(sql`id = ${id}::uuid`), (rows) => rows[0] ?? null) : Effect.succeed(null),
        series: (id, metric, bucket) => isId(id) ? series(id, metric, bucket) : Effect.succeed([]),
        contributors: (id, limit) => isId(id) ? contributors(id, limit) : Effect.succeed([])
      })
    })
  )
}

const isId = Schema.is(Schema.String.check(Schema.isUUID()))

const decoder = <S extends Schema.Codec<unknown, unknown>>(row: S) => {
  const decode = Schema.decodeUnknownEffect(Schema.Array(row))
  return (rows: ReadonlyArray<unknown>) =>
    Effect.mapError(decode(rows), (error) => new FiguresInvalid({ detail: error.message }))
}

const decodeRows = decoder(Schema.Struct({ ...RepositoryFigures.fields, syncedAt: Schema.DateTimeUtcFromDate }))
const decodeRepositories = (rows: ReadonlyArray<unknown>) =>
  Effect.map(decodeRows(rows), (rows) => rows.map((row) => new RepositoryFigures(row)))
const decodePoints = decoder(Point)
const decodeContributors = decoder(Contributor)

const unavailable = (error: SqlError) => new FiguresUnavailable({ detail: SqlFault.explain(error) })

const read = <A>(
  rows: Effect.Effect<ReadonlyArray<unknown>, SqlError>,
  decode: (rows: ReadonlyArray<unknown>) => Effect.Effect<A, FiguresInvalid>
) => Effect.flatMap(Effect.mapError(rows, unavailable), decode)

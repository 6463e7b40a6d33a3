/**
 * The figures that Insights keeps: written whole for a repository, rolled up to accounts and platforms, read as lists,
 * series and rankings.
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
import { Database } from "ostinato/store/Database"
import * as StoredText from "ostinato/store/StoredText"
import { type FiguresUnavailable, type ReadError, unavailable } from "./FiguresError.ts"
import type { Repository } from "./Git.ts"
import type { NamedDay } from "./GitHistory.ts"
import type { Release as Tag } from "./GitTags.ts"
import type {
  AccountFigures,
  Bucket,
  Change,
  Contributor,
  EntityKind,
  LanguageFigures,
  PlatformFigures,
  Point,
  Ranked,
  Release,
  RepositoryFigures,
  RunItem,
  SeriesMetric,
  SeriesTooLong,
  WeekHour
} from "./InsightsApi.ts"
import type { MetricName } from "./metricKinds.ts"
import * as ReadAccounts from "./ReadAccounts.ts"
import * as ReadRepositories from "./ReadRepositories.ts"
import * as RollUp from "./RollUp.ts"
import * as SampleFigures from "./SampleFigures.ts"
import * as WriteFigures from "./WriteFigures.ts"

type Written<A = void> = Effect.Effect<A, FiguresUnavailable>
type Read<A> = Effect.Effect<A, ReadError>
type Lists<A> = (page: ReadRepositories.Page) => Read<ReadonlyArray<A>>

/** The figures in the database. An id that is no UUID names nothing. */
export class Figures extends Context.Service<Figures, {
  /** A place for the days of one history that is being read. */
  readonly newStaging: Written<string>
  readonly stage: (staging: string, days: ReadonlyArray<NamedDay>) => Written
  readonly discard: (staging: string) => Written
  /** Brings a repository and its staged days into place, in one transaction. */
  readonly write: (collected: WriteFigures.Collected, staging: string) => Written
  /** Takes the day's gauges of a repository that is as it was; null where it is not, or was never collected. */
  readonly sample: (
    place: string,
    repository: Repository,
    releases: ReadonlyArray<Tag>
  ) => Written<SampleFigures.Known | null>
  readonly linkAccounts: Written<number>
  readonly linkPlatforms: Written<number>
  /** Sums repositories up to accounts and accounts to platforms, in one transaction. */
  readonly rollUp: Written<number>
  /** How one repository fared in a run. `error` is null when it went well. */
  readonly recordItem: (
    item: { readonly runId: string; readonly place: string; readonly ms: number; readonly error: string | null }
  ) => Written
  /** Hides a repository and keeps it from being collected again; false when there is none. Sums follow. */
  readonly remove: (id: string) => Written<boolean>
  /** Those of these places whose repository was removed. */
  readonly removed: (places: ReadonlyArray<string>) => Written<ReadonlySet<string>>

  /** By name. */
  readonly list: Read<ReadonlyArray<RepositoryFigures>>
  readonly page: Lists<RepositoryFigures>
  /** Null when there is none. */
  readonly get: (id: string) => Read<RepositoryFigures | null>
  /**
   * Oldest first, from the first to the last day of the history; buckets without commits have the value 0. Fails with
   * `SeriesTooLong` where that would be more than 20,000 values.
   */
  readonly series: (
    id: string,
    metric: typeof SeriesMetric.Type,
    bucket: typeof Bucket.Type
  ) => Effect.Effect<ReadonlyArray<typeof Point.Type>, ReadError | SeriesTooLong>
  /** Most commits first. */
  readonly contributors: (id: string, limit: number) => Read<ReadonlyArray<typeof Contributor.Type>>
  /** By weekday and hour; hours without commits are left out. */
  readonly hours: (id: string) => Read<ReadonlyArray<typeof WeekHour.Type>>
  /** Most bytes first. */
  readonly languages: (id: string) => Read<ReadonlyArray<typeof LanguageFigures.Type>>
  /** Newest first. */
  readonly releases: (id: string, limit: number) => Read<ReadonlyArray<typeof Release.Type>>
  /** Days from the first commit to today; null without commits. */
  readonly ageDays: (id: string) => Read<number | null>
  readonly changes: (id: string) => Read<ReadonlyArray<typeof Change.Type>>

  /** By login. */
  readonly accounts: Lists<typeof AccountFigures.Type>
  readonly account: (id: string) => Read<typeof AccountFigures.Type | null>
  /** By name. */
  readonly platforms: Lists<typeof PlatformFigures.Type>
  readonly platform: (id: string) => Read<typeof PlatformFigures.Type | null>
  readonly leaderboard: (
    kind: typeof EntityKind.Type,
    metric: MetricName,
    limit: number
  ) => Read<ReadonlyArray<typeof Ranked.Type>>
  readonly metricSeries: (
    series: ReadAccounts.MetricSeries
  ) => Effect.Effect<ReadonlyArray<typeof Point.Type>, ReadError | SeriesTooLong>
  /** By place. */
  readonly runItems: (runId: string) => Read<ReadonlyArray<typeof RunItem.Type>>
}>()("ostinato/apps/insights/Figures") {
  static readonly layer = Layer.effect(
    Figures,
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const repositories = ReadRepositories.make(sql)
      const accounts = ReadAccounts.make(sql)

      const written = <A>(effect: Effect.Effect<A, SqlError, SqlClient.SqlClient>): Written<A> =>
        Effect.mapError(Effect.provideService(effect, SqlClient.SqlClient, sql), unavailable)
      const ofId = <A, E>(id: string, none: A, read: (id: string) => Effect.Effect<A, E>): Effect.Effect<A, E> =>
        isId(id) ? read(id) : Effect.succeed(none)

      return Figures.of({
        newStaging: written(WriteFigures.newStaging),
        stage: (staging, days) => written(WriteFigures.stage(staging, days)),
        discard: (staging) => written(WriteFigures.discard(staging)),
        write: Effect.fn("Figures.write")((collected, staging) =>
          Effect.asVoid(written(WriteFigures.write(collected, staging)))
        ),
        sample: (place, repository, releases) => written(SampleFigures.sample(place, repository, releases)),
        linkAccounts: written(RollUp.linkAccounts),
        linkPlatforms: written(RollUp.linkPlatforms),
        rollUp: Effect.withSpan(written(RollUp.sum), "Figures.rollUp"),
        recordItem: ({ error, ms, place, runId }) =>
          Effect.asVoid(written(sql`
            INSERT INTO insights.run_item (run_id, place, status, ms, error)
            VALUES (${runId}::uuid, ${StoredText.text(place)}, ${error === null ? "completed" : "failed"},
              ${Math.round(ms)}, ${error === null ? null : StoredText.text(error)})
            ON CONFLICT (run_id, place) DO UPDATE SET status = excluded.status, ms = excluded.ms,
              error = excluded.error, at = now()`)),
        remove: (id) =>
          ofId(id, false, (id) =>
            written(Database.transaction(Effect.flatMap(
              sql`
                UPDATE insights.repository SET deleted_at = now() WHERE id = ${id}::uuid AND deleted_at IS NULL
                RETURNING id`,
              ([row]) => row === undefined ? Effect.succeed(false) : Effect.as(RollUp.sum, true)
            )))),
        removed: (places) =>
          Effect.map(
            written(sql<{ path: string }>`
              SELECT path FROM insights.repository WHERE deleted_at IS NOT NULL AND path = ANY(${
              places.map(StoredText.text)
            }::text[])`),
            (rows) => new Set(rows.map(({ path }) => path))
          ),

        list: repositories.list,
        page: repositories.page,
        get: (id) => ofId(id, null, repositories.get),
        series: (id, metric, bucket) => ofId(id, [], (id) => repositories.series(id, metric, bucket)),
        contributors: (id, limit) => ofId(id, [], (id) => repositories.contributors(id, limit)),
        hours: (id) => ofId(id, [], repositories.hours),
        languages: (id) => ofId(id, [], repositories.languages),
        releases: (id, limit) => ofId(id, [], (id) => repositories.releases(id, limit)),
        ageDays: (id) => ofId(id, null, repositories.ageDays),
        changes: (id) => ofId(id, [], repositories.changes),

        accounts: accounts.accounts,
        account: (id) => ofId(id, null, accounts.account),
        platforms: accounts.platforms,
        platform: (id) => ofId(id, null, accounts.platform),
        leaderboard: accounts.leaderboard,
        metricSeries: (series) => ofId(series.id, [], () => accounts.metricSeries(series)),
        runItems: (id) => ofId(id, [], accounts.runItems)
      })
    })
  )
}

const isId = Schema.is(Schema.String.check(Schema.isUUID()))

/**
 * The code behind `InsightsApi`.
 */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Layer from "effect/Layer"
import * as ApiProblem from "ostinato/service/ApiProblem"
import { Figures } from "./Figures.ts"
import type { FiguresInvalid, FiguresUnavailable } from "./FiguresError.ts"
import * as FiguresTable from "./FiguresTable.ts"
import {
  AccountNotFound,
  FiguresUnreadable,
  InsightsApi,
  PlatformNotFound,
  RepositoryNotFound,
  RunUnknown
} from "./InsightsApi.ts"
import { SyncOnDemand } from "./SyncOnDemand.ts"

const told = {
  FiguresUnavailable: (error: FiguresUnavailable) =>
    Effect.andThen(Effect.logWarning(error.message), new ApiProblem.StoreUnavailable({})),
  FiguresInvalid: (error: FiguresInvalid) => Effect.andThen(Effect.logError(error.message), new FiguresUnreadable({}))
}

const unavailable = (error: Error) =>
  Effect.andThen(Effect.logWarning(error.message), new ApiProblem.StoreUnavailable({}))

// asked again with the same repository, nothing is enqueued twice
const notEnqueued = {
  JobStoreUnavailable: unavailable,
  EnqueueUnknown: unavailable,
  JobInvalid: unavailable
}

const pageSize = 200

const asPage = <A extends { readonly id: string }>(limit: number) => (items: ReadonlyArray<A>) => ({
  items,
  next: items.length < limit ? null : items.at(-1)?.id ?? null
})

const asItems = <A>(items: ReadonlyArray<A>) => ({ items })

const orNotFound =
  <E>(error: () => E) => <A, E2, R>(found: Effect.Effect<A | null, E2, R>): Effect.Effect<A, E | E2, R> =>
    Effect.filterOrFail(found, (value) => value !== null, error)

const RepositoriesLive = HttpApiBuilder.group(
  InsightsApi,
  "repositories",
  Effect.fn(function*(handlers) {
    const figures = yield* Figures
    const onDemand = yield* SyncOnDemand
    const absent = (id: string) => () => new RepositoryNotFound({ detail: `no repository has the id "${id}"` })
    const found = (id: string) => orNotFound(absent(id))(figures.get(id))
    return handlers.handleAll({
      list: ({ query: { after, limit = pageSize } }) =>
        figures.page({ after, limit }).pipe(Effect.map(asPage(limit)), Effect.catchTags(told)),
      get: ({ params }) => found(params.id).pipe(Effect.catchTags(told)),
      summary: ({ params }) =>
        Effect.gen(function*() {
          const repository = yield* found(params.id)
          const { id } = repository
          const [weeks, changes, hours, languages, releases, ageDays] = yield* Effect.all([
            figures.series(id, "commits", "week"),
            figures.changes(id),
            figures.hours(id),
            figures.languages(id),
            figures.releases(id, 5),
            figures.ageDays(id)
          ], { concurrency: 2 })
          return { repository, ageDays, weeks: weeks.slice(-26), changes, hours, languages, releases }
        }).pipe(Effect.catchTags(told)),
      series: ({ params, query }) =>
        found(params.id).pipe(
          Effect.flatMap(({ id }) => figures.series(id, query.metric, query.bucket ?? "day")),
          Effect.map(asItems),
          Effect.catchTags(told)
        ),
      contributors: ({ params, query }) =>
        found(params.id).pipe(
          Effect.flatMap(({ id }) => figures.contributors(id, query.limit ?? 50)),
          Effect.map(asItems),
          Effect.catchTags(told)
        ),
      hours: ({ params }) =>
        found(params.id).pipe(
          Effect.flatMap(({ id }) => figures.hours(id)),
          Effect.map(asItems),
          Effect.catchTags(told)
        ),
      languages: ({ params }) =>
        found(params.id).pipe(
          Effect.flatMap(({ id }) => figures.languages(id)),
          Effect.map(asItems),
          Effect.catchTags(told)
        ),
      releases: ({ params, query }) =>
        found(params.id).pipe(
          Effect.flatMap(({ id }) => figures.releases(id, query.limit ?? 50)),
          Effect.map(asItems),
          Effect.catchTags(told)
        ),
      sync: ({ params }) =>
        found(params.id).pipe(
          Effect.flatMap(({ id, path }) => onDemand.start(path, `/api/v1/insights/repositories/${id}/sync`)),
          Effect.map((runId) => ({ runId: String(runId) })),
          Effect.catchTags({ ...told, ...notEnqueued })
        ),
      remove: ({ params }) =>
        figures.remove(params.id).pipe(
          Effect.flatMap((removed) => removed ? Effect.void : Effect.fail(absent(params.id)())),
          Effect.catchTag("FiguresUnavailable", told.FiguresUnavailable)
        )
    })
  })
)

const AccountsLive = HttpApiBuilder.group(
  InsightsApi,
  "accounts",
  Effect.fn(function*(handlers) {
    const figures = yield* Figures
    return handlers.handleAll({
      accounts: ({ query: { after, limit = pageSize } }) =>
        figures.accounts({ after, limit }).pipe(Effect.map(asPage(limit)), Effect.catchTags(told)),
      account: ({ params: { id } }) =>
        figures.account(id).pipe(
          orNotFound(() => new AccountNotFound({ detail: `no account has the id "${id}"` })),
          Effect.catchTags(told)
        ),
      platforms: ({ query: { after, limit = pageSize } }) =>
        figures.platforms({ after, limit }).pipe(Effect.map(asPage(limit)), Effect.catchTags(told)),
      platform: ({ params: { id } }) =>
        figures.platform(id).pipe(
          orNotFound(() => new PlatformNotFound({ detail: `no platform has the id "${id}"` })),
          Effect.catchTags(told)
        )
    })
  })
)

const everything = { after: undefined, limit: 100_000 }

const ReportsLive = HttpApiBuilder.group(
  InsightsApi,
  "reports",
  Effect.fn(function*(handlers) {
    const figures = yield* Figures
    const tables = {
      repository: Effect.map(
        figures.page(everything),
        (all) => all.map(({ metrics, ...columns }) => FiguresTable.row(columns, metrics))
      ),
      account: Effect.map(
        figures.accounts(everything),
        (all) => all.map(({ metrics, ...columns }) => FiguresTable.row(columns, metrics))
      ),
      platform: Effect.map(
        figures.platforms(everything),
        (all) => all.map(({ metrics, ...columns }) => FiguresTable.row(columns, metrics))
      )
    }
    return handlers.handleAll({
      metricsSeries: ({ query: { bucket = "day", entity, fill = "none", from, id, metric, to } }) =>
        figures.metricSeries({ kind: entity, id, metric, from, to, bucket, fill }).pipe(
          Effect.map(asItems),
          Effect.catchTags(told)
        ),
      leaderboard: ({ query }) =>
        figures.leaderboard(query.of ?? "repository", query.metric ?? "commits", query.limit ?? 50).pipe(
          Effect.map(asItems),
          Effect.catchTags(told)
        ),
      exportCsv: ({ query }) =>
        tables[query.of ?? "repository"].pipe(Effect.flatMap(FiguresTable.csv), Effect.catchTags(told)),
      exportJson: () =>
        Effect.all({
          repositories: figures.page(everything),
          accounts: figures.accounts(everything),
          platforms: figures.platforms(everything)
        }).pipe(Effect.catchTags(told)),
      run: ({ params: { id } }) =>
        figures.runItems(id).pipe(
          Effect.filterOrFail(
            (items) => items.length > 0,
            () => new RunUnknown({ detail: `no run with the id "${id}" looked at a repository` })
          ),
          Effect.map(asItems),
          Effect.catchTags(told)
        )
    })
  })
)

/** The routes. */
export const layer = HttpApiBuilder.layer(InsightsApi, { openapiPath: "/api/v1/insights/openapi.json" }).pipe(
  Layer.provide([RepositoriesLive, AccountsLive, ReportsLive])
)

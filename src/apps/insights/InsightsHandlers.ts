/**
 * The code behind `InsightsApi`.
 */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Layer from "effect/Layer"
import * as AdminApi from "ostinato/service/AdminApi"
import { Figures, type FiguresUnavailable } from "./Figures.ts"
import { InsightsApi, RepositoryNotFound } from "./InsightsApi.ts"

const unavailable = (error: FiguresUnavailable) =>
  Effect.andThen(Effect.logWarning(error.message), new AdminApi.StoreUnavailable({}))

const RepositoriesLive = HttpApiBuilder.group(
  InsightsApi,
  "repositories",
  Effect.fn(function*(handlers) {
    const figures = yield* Figures
    const found = (id: string) =>
      figures.get(id).pipe(
        Effect.catchTag("FiguresUnavailable", unavailable),
        Effect.filterOrFail(
          (repository) => repository !== null,
          () => new RepositoryNotFound({ detail: `no repository has the id "${id}"` })
        )
      )
    return handlers.handleAll({
      list: () =>
        figures.list.pipe(Effect.map((items) => ({ items })), Effect.catchTag("FiguresUnavailable", unavailable)),
      get: ({ params }) => found(params.id),
      series: ({ params, query }) =>
        Effect.flatMap(found(params.id), ({ id }) =>
          figures.series(id, query.metric, query.bucket ?? "day").pipe(
            Effect.map((items) => ({ items })),
            Effect.catchTag("FiguresUnavailable", unavailable)
          )),
      contributors: ({ params, query }) =>
        Effect.flatMap(found(params.id), ({ id }) =>
          figures.contributors(id, query.limit ?? 50).pipe(
            Effect.map((items) => ({ items })),
            Effect.catchTag("FiguresUnavailable", unavailable)
          ))
    })
  })
)

/** The routes. */
export const layer = HttpApiBuilder.layer(InsightsApi, { openapiPath: "/api/v1/insights/openapi.json" }).pipe(
  Layer.provide(RepositoriesLive)
)

/**
 * The code behind `InsightsApi`.
 */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Layer from "effect/Layer"
import * as AdminApi from "ostinato/service/AdminApi"
import { Figures, type FiguresInvalid, type FiguresUnavailable } from "./Figures.ts"
import { FiguresUnreadable, InsightsApi, RepositoryNotFound } from "./InsightsApi.ts"

const told = {
  FiguresUnavailable: (error: FiguresUnavailable) =>
    Effect.andThen(Effect.logWarning(error.message), new AdminApi.StoreUnavailable({})),
  FiguresInvalid: (error: FiguresInvalid) => Effect.andThen(Effect.logError(error.message), new FiguresUnreadable({}))
}

const RepositoriesLive = HttpApiBuilder.group(
  InsightsApi,
  "repositories",
  Effect.fn(function*(handlers) {
    const figures = yield* Figures
    const found = (id: string) =>
      figures.get(id).pipe(
        Effect.filterOrFail(
          (repository) => repository !== null,
          () => new RepositoryNotFound({ detail: `no repository has the id "${id}"` })
        )
      )
    return handlers.handleAll({
      list: () => figures.list.pipe(Effect.map((items) => ({ items })), Effect.catchTags(told)),
      get: ({ params }) => found(params.id).pipe(Effect.catchTags(told)),
      series: ({ params, query }) =>
        found(params.id).pipe(
          Effect.flatMap(({ id }) => figures.series(id, query.metric, query.bucket ?? "day")),
          Effect.map((items) => ({ items })),
          Effect.catchTags(told)
        ),
      contributors: ({ params, query }) =>
        found(params.id).pipe(
          Effect.flatMap(({ id }) => figures.contributors(id, query.limit ?? 50)),
          Effect.map((items) => ({ items })),
          Effect.catchTags(told)
        )
    })
  })
)

/** The routes. */
export const layer = HttpApiBuilder.layer(InsightsApi, { openapiPath: "/api/v1/insights/openapi.json" }).pipe(
  Layer.provide(RepositoriesLive)
)

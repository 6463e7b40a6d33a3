/**
 * The code behind `AdminApi`.
 */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Layer from "effect/Layer"
import { RunLog } from "../core/RunLog.ts"
import { ScheduleStore } from "../schedule/ScheduleStore.ts"
import { AdminApi, RunNotFound, StoreUnavailable } from "./AdminApi.ts"

const unavailable = (error: { readonly message: string }) =>
  Effect.andThen(Effect.logWarning(error.message), new StoreUnavailable({}))

const RunsLive = HttpApiBuilder.group(
  AdminApi,
  "runs",
  Effect.fn(function*(handlers) {
    const log = yield* RunLog
    return handlers.handleAll({
      list: ({ query }) =>
        log.list(query).pipe(Effect.map((items) => ({ items })), Effect.catchTag("RunLogUnavailable", unavailable)),
      get: ({ params }) =>
        log.get(params.id).pipe(
          Effect.catchTag("RunLogUnavailable", unavailable),
          Effect.filterOrFail((run) => run !== null, () =>
            new RunNotFound({ detail: `no run has the id "${params.id}"` }))
        )
    })
  })
)

const SchedulesLive = HttpApiBuilder.group(
  AdminApi,
  "schedules",
  Effect.fn(function*(handlers) {
    const store = yield* ScheduleStore
    return handlers.handleAll({
      list: () =>
        store.list.pipe(
          Effect.map((items) => ({ items })),
          Effect.catchTag("ScheduleStoreUnavailable", unavailable)
        )
    })
  })
)

/**
 * @category layers
 */
export const layer = HttpApiBuilder.layer(AdminApi, { openapiPath: "/api/openapi.json" }).pipe(
  Layer.provide([RunsLive, SchedulesLive])
)

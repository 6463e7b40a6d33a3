/**
 * Insights: figures of git repositories, collected on a timetable. The default application of the service.
 */
import * as Layer from "effect/Layer"
import { fileURLToPath } from "node:url"
import { Dispatch } from "ostinato"
import { PeriodicTask, type Timetable } from "ostinato/schedule"
import { AppModule } from "ostinato/service"
import { Figures } from "./Figures.ts"
import * as InsightsHandlers from "./InsightsHandlers.ts"
import * as InsightsMetrics from "./InsightsMetrics.ts"
import { migrations } from "./migrations.ts"
import { Source, SyncRepository, SyncRepositoryLive } from "./SyncRepository.ts"

/** What Insights is told. */
export interface InsightsOptions {
  /** Path of a local clone. */
  readonly repository: string
  /** When its figures are brought up to date, besides at every start. */
  readonly timetable: Timetable.Timetable
}

/** The application, to be plugged into the service. */
export const make = (options: InsightsOptions) => ({
  name: "insights",
  migrations,
  layer: SyncRepositoryLive.pipe(
    Layer.provideMerge(Figures.layer),
    Layer.provide(Layer.succeed(Source, { path: options.repository }))
  ),
  tasks: [AppModule.task(SyncRepository)],
  schedules: [
    PeriodicTask.make("insights.fortnightly", {
      timetable: options.timetable,
      task: SyncRepository,
      payload: {},
      runOnStart: true,
      overlap: "skip",
      missed: "last",
      dispatch: Dispatch.here
    })
  ],
  routes: InsightsHandlers.layer,
  refreshMetrics: InsightsMetrics.refresh,
  page: fileURLToPath(new URL("../../../dist/web/insights", import.meta.url))
})

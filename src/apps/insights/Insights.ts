/**
 * Insights: figures of git repositories, collected on a timetable. The default application of the service.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import { fileURLToPath } from "node:url"
import { Dispatch } from "ostinato"
import { PeriodicTask, type Timetable } from "ostinato/schedule"
import { AppModule } from "ostinato/service"
import { Figures } from "./Figures.ts"
import * as InsightsHandlers from "./InsightsHandlers.ts"
import * as InsightsMetrics from "./InsightsMetrics.ts"
import { migrations } from "./migrations.ts"
import { SyncRepository, SyncRepositoryLive } from "./SyncRepository.ts"

/** What Insights is told. */
export interface InsightsOptions {
  /** Path of a local clone; a relative one starts at the working directory. */
  readonly repository: string
  /** When its figures are brought up to date, besides at every start. */
  readonly timetable: Timetable.Timetable
}

/**
 * The name of the schedule of one repository: services on one database share a schedule when they look at the same
 * clone, and only then.
 */
export const scheduleName = (path: string): string => `insights.fortnightly:${path}`

/** The application, to be plugged into the service. The repository is known by its real path from here on. */
export const make = Effect.fnUntraced(function*(options: InsightsOptions) {
  const files = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  // what is not there yet is told by the run that looks for it
  const repository = yield* Effect.orElseSucceed(
    files.realPath(options.repository),
    () => paths.resolve(options.repository)
  )
  return {
    name: "insights",
    migrations,
    layer: Layer.provideMerge(SyncRepositoryLive, Figures.layer),
    tasks: [AppModule.task(SyncRepository, { payload: { repository } })],
    schedules: [
      PeriodicTask.make(scheduleName(repository), {
        timetable: options.timetable,
        task: SyncRepository,
        payload: { repository },
        runOnStart: true,
        overlap: "skip",
        missed: "last",
        dispatch: Dispatch.here
      })
    ],
    routes: InsightsHandlers.layer,
    refreshMetrics: InsightsMetrics.refresh,
    page: fileURLToPath(new URL("../../../dist/web/insights", import.meta.url))
  }
})

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
import * as RepositorySource from "./RepositorySource.ts"
import { SyncInsights, SyncInsightsLive } from "./SyncInsights.ts"
import { SyncOnDemand } from "./SyncOnDemand.ts"
import { MirrorDirectory } from "./SyncRepositories.ts"

/** What Insights is told. */
export interface InsightsOptions {
  /** Each a path, a URL, or a directory that holds clones; relative paths start at the working directory. */
  readonly repositories: ReadonlyArray<string>
  /** Where the service keeps its own files; mirrors of repositories of other machines go below it. */
  readonly directory: string
  /** When its figures are brought up to date, besides at every start. */
  readonly timetable: Timetable.Timetable
}

/**
 * The name of the schedule of one repository: services on one database share a schedule when they look at the same
 * clone or URL, and only then.
 */
export const scheduleName = (place: string): string => `insights.fortnightly:${place}`

/** The application, to be plugged into the service. Clones are known by their real paths from here on. */
export const make = Effect.fnUntraced(function*(options: InsightsOptions) {
  const files = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  const places = yield* Effect.forEach(options.repositories, (text) =>
    Effect.gen(function*() {
      const source = yield* Effect.fromResult(RepositorySource.parse(text))
      if (source.kind === "url") return source.url
      // what is not there yet is told by the run that looks for it
      return yield* Effect.orElseSucceed(files.realPath(source.path), () => paths.resolve(source.path))
    }))
  const Mirrors = Layer.succeed(MirrorDirectory, paths.resolve(options.directory, "insights", "mirrors"))
  const [first = ".", ...others] = places
  return {
    name: "insights",
    migrations,
    layer: Layer.provideMerge(Layer.provide(SyncInsightsLive, Mirrors), Figures.layer),
    tasks: [AppModule.task(SyncInsights, { payload: { repository: others.length === 0 ? first : places } })],
    schedules: places.map((repository) =>
      PeriodicTask.make(scheduleName(repository), {
        timetable: options.timetable,
        task: SyncInsights,
        payload: { repository },
        runOnStart: true,
        overlap: "skip",
        missed: "last",
        dispatch: Dispatch.here
      })
    ),
    routes: Layer.provide(InsightsHandlers.layer, SyncOnDemand.layer),
    refreshMetrics: InsightsMetrics.refresh,
    page: fileURLToPath(new URL("../../../dist/web/insights", import.meta.url))
  }
})

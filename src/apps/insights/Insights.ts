/**
 * Insights: figures of git repositories, collected on a timetable. The default application of the service.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import { fileURLToPath } from "node:url"
import { PeriodicTask, Timetable } from "ostinato/schedule"
import { AppModule } from "ostinato/service"
import { Figures } from "./Figures.ts"
import * as InsightsHandlers from "./InsightsHandlers.ts"
import * as InsightsMetrics from "./InsightsMetrics.ts"
import { migrations } from "./migrations.ts"
import * as RepositorySource from "./RepositorySource.ts"
import { SyncInsights, SyncInsightsLive } from "./SyncInsights.ts"
import * as SyncJobs from "./SyncJobs.ts"
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
  /** Whether the gauges of every repository are taken each day besides. Defaults to `true`. */
  readonly daily?: boolean | undefined
}

/**
 * The name of the schedule of one repository: services on one database share a schedule when they look at the same
 * clone or URL, and only then.
 */
export const scheduleName = (place: string): string => `insights.fortnightly:${place}`

/** The name of the schedule that takes the gauges of one place each day. */
export const dailyName = (place: string): string => `insights.daily:${place}`

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
    schedules: places.flatMap((repository) => {
      // the job is made in the transaction of the tick; its unique key sees to overlaps
      const durable = { task: SyncInsights, mode: "enqueue", missed: "last" } as const
      const queue = SyncJobs.queueOf(repository)
      const fortnightly = PeriodicTask.make(scheduleName(repository), {
        ...durable,
        timetable: options.timetable,
        payload: { repository },
        runOnStart: true,
        dispatch: SyncJobs.dispatch(queue)
      })
      const daily = PeriodicTask.make(dailyName(repository), {
        ...durable,
        timetable: Timetable.every("1 day"),
        payload: { repository, changedOnly: true },
        dispatch: SyncJobs.dispatchDaily(queue)
      })
      return options.daily ?? true ? [fortnightly, daily] : [fortnightly]
    }),
    jobs: {
      queues: SyncJobs.queues(places),
      tasks: [AppModule.job(SyncInsights, {
        payload: { repository: first },
        enqueue: { queue: SyncJobs.queueOf(first), unique: SyncJobs.unique }
      })]
    },
    routes: Layer.provide(InsightsHandlers.layer, SyncOnDemand.layer(places)),
    refreshMetrics: InsightsMetrics.refresh,
    page: fileURLToPath(new URL("../../../dist/web/insights", import.meta.url))
  }
})

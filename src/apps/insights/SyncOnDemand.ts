/**
 * Collects one repository because somebody asks for it, without making them wait.
 *
 * It is enqueued as a durable job, recorded like any other run, and done by a process that looks at the repository, also
 * when this one stops meanwhile. While one of the same repository has not ended, the same run is named again and none
 * begins.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { RunId } from "ostinato/core/TaskRun"
import type { EnqueueError } from "ostinato/jobs/JobQueue"
import { JobStore } from "ostinato/jobs/JobStore"
import { SyncInsights } from "./SyncInsights.ts"
import * as SyncJobs from "./SyncJobs.ts"

/** Runs that were asked for one by one. */
export class SyncOnDemand extends Context.Service<SyncOnDemand, {
  /** The id of the run. `path` is that of the request. */
  readonly start: (repository: string, path: string) => Effect.Effect<RunId, EnqueueError>
}>()("ostinato/apps/insights/SyncOnDemand") {
  /** `places`: what this service looks at. */
  static readonly layer = (places: ReadonlyArray<string>) =>
    Layer.effect(
      SyncOnDemand,
      Effect.map(JobStore, (store) =>
        SyncOnDemand.of({
          start: (repository, path) =>
            SyncJobs.dispatch(SyncJobs.queueAmong(places, repository))(
              SyncInsights,
              { repository },
              { kind: "http", method: "POST", path }
            ).pipe(
              Effect.map(({ id }) => id),
              Effect.provideService(JobStore, store)
            )
        }))
    )
}

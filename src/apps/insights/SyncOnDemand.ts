/**
 * Collects one repository because somebody asks for it, without making them wait.
 *
 * The run goes on in the background and is recorded like any other. While one of the same repository has not ended, the
 * same run is named again and none begins. When the service stops, runs under way may go on for ten seconds.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Dispatch } from "ostinato"
import * as CapturedContext from "ostinato/core/CapturedContext"
import * as Drain from "ostinato/core/Drain"
import type { RunLog } from "ostinato/core/RunLog"
import type * as Task from "ostinato/core/Task"
import { NextRunId, type RunId } from "ostinato/core/TaskRun"
import { SyncInsights } from "./SyncInsights.ts"

/** Runs that were asked for one by one. */
export class SyncOnDemand extends Context.Service<SyncOnDemand, {
  /** The id of the run; null when the service is stopping. `path` is that of the request. */
  readonly start: (place: string, path: string) => Effect.Effect<RunId | null>
}>()("ostinato/apps/insights/SyncOnDemand") {
  static readonly layer = Layer.effect(
    SyncOnDemand,
    Effect.gen(function*() {
      const context = yield* CapturedContext.make<RunLog | Task.Requires<typeof SyncInsights>>()
      const flight = yield* Drain.make({ drain: "10 seconds" })
      const underWay = new Map<string, RunId>()

      const start = Effect.fnUntraced(function*(place: string, path: string) {
        const known = underWay.get(place)
        if (known !== undefined) return known
        const id = yield* yield* NextRunId
        underWay.set(place, id)
        const run = Dispatch.here(SyncInsights, { repository: place }, { kind: "http", method: "POST", path }).pipe(
          Effect.flatMap((ref) => Effect.exit(ref.await)),
          Effect.catch((error) => Effect.logWarning(`${place} was not collected: ${error.message}`)),
          Effect.ensuring(Effect.sync(() => underWay.delete(place))),
          Effect.provideService(NextRunId, Effect.succeed(id)),
          Effect.provideContext(context),
          Effect.asVoid
        )
        const taken = yield* flight.fork(`sync of ${place}`, run)
        if (taken) return id
        underWay.delete(place)
        return null
      })
      return SyncOnDemand.of({ start })
    })
  )
}

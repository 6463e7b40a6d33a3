/**
 * The worker of this process, for whoever asks how it fares. It begins only once the port is open, so it is not there
 * from the start; a process whose role is another one has none.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { JobWorker } from "../jobs/JobWorker.ts"

/**
 * @category services
 */
export class CurrentWorker extends Context.Service<CurrentWorker, {
  /** Null: none has begun, and whether one is to is not said yet. */
  readonly get: Effect.Effect<JobWorker["Service"] | "none" | null>
  /** `none`: this process is to have none. */
  readonly set: (worker: JobWorker["Service"] | "none") => Effect.Effect<void>
}>()("ostinato/service/CurrentWorker") {
  static readonly layer = Layer.sync(CurrentWorker, () => {
    let current: JobWorker["Service"] | "none" | null = null
    return CurrentWorker.of({
      get: Effect.sync(() => current),
      set: (worker) =>
        Effect.sync(() => {
          current = worker
        })
    })
  })
}

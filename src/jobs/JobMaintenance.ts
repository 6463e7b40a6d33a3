/**
 * What must be done for jobs again and again, by any process: make due ones available, take back those of workers that
 * died, let parked ones in, remove old ones.
 *
 * No leader is needed: every node may run it, and more of them do the same work in turn. A worker brings it along unless
 * told otherwise. The loops wait out an outage of the store by themselves.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Supervisor } from "../core/Supervisor.ts"
import * as JobMetrics from "./JobMetrics.ts"
import { type JobRetention, JobStore } from "./JobStore.ts"
import { promoter } from "./maintenance/Promoter.ts"
import { pruner } from "./maintenance/Pruner.ts"
import { rescuer } from "./maintenance/Rescuer.ts"
import { sweeper } from "./maintenance/Sweeper.ts"

/**
 * @category models
 */
export interface Options {
  /** How long ended jobs are kept. Defaults as `JobRetention` says. */
  readonly retention?: JobRetention | undefined
}

/**
 * Runs the loops until the scope closes.
 *
 * @category layers
 */
export const layer = (options: Options = {}): Layer.Layer<never, never, JobStore | Supervisor> =>
  Layer.effectDiscard(Effect.gen(function*() {
    const store = yield* JobStore
    const supervisor = yield* Supervisor
    const metrics = JobMetrics.make(yield* Effect.context())
    const loops = {
      promoter: promoter(store),
      rescuer: rescuer(store, metrics),
      sweeper: sweeper(store),
      pruner: pruner(store, options.retention ?? {})
    }
    for (const [name, loop] of Object.entries(loops)) {
      yield* supervisor.start(`jobs ${name}`, Effect.withTracerEnabled(loop, false))
    }
  }))

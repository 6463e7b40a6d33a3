/**
 * What must be done for jobs again and again, by any process: make due ones available, take back those of workers that
 * died, let parked ones in, remove old ones.
 *
 * No leader is needed: every node may run it, and more of them do the same work in turn; what one node is enough for takes a
 * lease. A worker brings it along unless told otherwise, and workers of one process that share a store share it. The loops
 * wait out an outage of the store by themselves.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RcRef from "effect/RcRef"
import * as Scope from "effect/Scope"
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
    yield* RcRef.get(yield* sharedLoops(store, supervisor))
    // another layer may keep jobs for another time
    yield* start(supervisor, { pruner: pruner(store, options.retention ?? {}) })
  }))

/** Runs while anybody has it: the loops that are the same for all. */
const sharedLoops = Effect.fnUntraced(function*(store: JobStore["Service"], supervisor: Supervisor["Service"]) {
  const of = shared.get(store) ?? new WeakMap<Supervisor["Service"], RcRef.RcRef<void>>()
  shared.set(store, of)
  const known = of.get(supervisor)
  if (known !== undefined) return known
  const metrics = JobMetrics.make(yield* Effect.context())
  const made = yield* RcRef.make({
    acquire: start(supervisor, {
      promoter: promoter(store),
      rescuer: rescuer(store, metrics),
      sweeper: sweeper(store)
    })
  }).pipe(Effect.provideService(Scope.Scope, Scope.makeUnsafe()))
  of.set(supervisor, made)
  return made
})

const shared = new WeakMap<JobStore["Service"], WeakMap<Supervisor["Service"], RcRef.RcRef<void>>>()

const start = (supervisor: Supervisor["Service"], loops: Readonly<Record<string, Effect.Effect<void>>>) =>
  Effect.forEach(
    Object.entries(loops),
    ([name, loop]) => supervisor.start(`jobs ${name}`, Effect.withTracerEnabled(loop, false)),
    { discard: true }
  )

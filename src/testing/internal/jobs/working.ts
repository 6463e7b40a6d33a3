/** A worker for as long as there is something to do, and the clock moved on while its handlers take their time. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import type { Supervisor } from "../../../core/Supervisor.ts"
import type { JobStoreUnavailable, QueueNotServed } from "../../../jobs/JobError.ts"
import { type End, JobStore } from "../../../jobs/JobStore.ts"
import * as JobWorker from "../../../jobs/JobWorker.ts"
import { Due } from "../../../jobs/stores/Memory.ts"
import { recording } from "./recording.ts"

export interface Work<Tasks extends ReadonlyArray<JobWorker.Servable>> {
  readonly tasks: Tasks
  readonly queues: ReadonlyArray<string>
  readonly concurrency: number
  /** Gets every end, in order. */
  readonly ended: (end: End) => void
  /** Ends sooner than everything is worked off. */
  readonly isEnough: () => boolean
}

/** What loops of maintenance do. */
export const upkeep = Effect.gen(function*() {
  const store = yield* JobStore
  yield* store.rescue
  yield* store.sweep
  yield* store.promote(Number.MAX_SAFE_INTEGER)
})

/** Answers whether everything was done by `until`. */
export const workOff = <Tasks extends ReadonlyArray<JobWorker.Servable>>(
  work: Work<Tasks>,
  until: number
): Effect.Effect<
  boolean,
  JobStoreUnavailable | QueueNotServed,
  JobStore | Due | Supervisor | JobWorker.Needs<Tasks[number]>
> =>
  Effect.gen(function*() {
    const due = yield* Due
    const store = yield* JobStore
    const claimable = Effect.map(
      Effect.forEach(work.queues, due.claimable),
      (counts) => counts.reduce((sum, count) => sum + count, 0)
    )
    yield* upkeep
    if ((yield* claimable) === 0) return true
    let ends = 0
    const recorded = recording(store, (end) => {
      ends += 1
      work.ended(end)
    })
    const queues = Object.fromEntries(work.queues.map((queue) => [queue, { concurrency: work.concurrency }]))
    const layer = JobWorker.layer({ tasks: work.tasks, queues, drain: 0, maintenance: false })
    const context = yield* Layer.build(Layer.fresh(Layer.provide(layer, Layer.succeed(JobStore, recorded))))
    const worker = Context.get(context, JobWorker.JobWorker)
    while (true) {
      yield* settle(() => ends)
      yield* upkeep
      const { queues, unrecorded } = yield* worker.status
      const inHand = Object.values(queues).reduce(
        (sum, { prefetched, running }) => sum + prefetched + running,
        unrecorded
      )
      if (work.isEnough() || (inHand === 0 && (yield* claimable) === 0)) return true
      if ((yield* Clock.currentTimeMillis) >= until) return false
      const next = yield* due.nextMs
      yield* TestClock.adjust(Math.min(1000, Math.max(1, next ?? 1000)))
    }
  }).pipe(Effect.scoped)

/** Lets everybody go as far as they come without time. */
const settle = Effect.fnUntraced(function*(ends: () => number) {
  for (let quiet = 0, before = ends(); quiet < 3; quiet += 1) {
    yield* TestClock.adjust(0)
    if (ends() !== before) quiet = 0
    before = ends()
  }
})

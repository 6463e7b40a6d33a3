/**
 * The claimer of one queue.
 *
 *   looking --room--> claiming --all that was asked for--> looking
 *      |                 |  \--fewer: nothing more is there--> asleep --woken | poll--> looking
 *      +--no room--> waiting --a slot is free--> looking
 *
 * Never more is claimed than there are free slots and the prefetch. Asleep it looks again after 50 ms, twice as long each
 * time, up to `idleMs`, so that nothing depends on being woken.
 */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import type { JobStore } from "../../JobStore.ts"
import type { Crew } from "./Crew.ts"
import type { Engine } from "./Engine.ts"
import type { Holds } from "./Holds.ts"
import type { Lane } from "./Lane.ts"
import type { Patience } from "./patience.ts"

/** Milliseconds of the first sleep. */
const shortest = 50

export const claimer = Effect.fnUntraced(
  function*(lane: Lane, { crew, engine, holds, idleMs, maxResults, patience, store }: {
    readonly store: JobStore["Service"]
    readonly engine: Engine
    readonly crew: Crew
    readonly holds: Holds
    readonly patience: Patience
    readonly idleMs: number
    /** Results that may wait for the store. */
    readonly maxResults: number
  }) {
    lane.isClaiming = false
    let failures = 0
    let nap = shortest
    while (engine.isOpen) {
      const membership = crew.current
      if (membership === undefined) {
        yield* crew.joined
        continue
      }
      const limit = engine.results.size >= maxResults || engine.isIsolated ? 0 : lane.wants
      if (limit === 0) {
        lane.waitsFor = "room"
        yield* lane.bell.rung
        lane.waitsFor = null
        continue
      }
      lane.hasNews = false
      lane.isClaiming = true
      // what was claimed is in good hands before anything can interrupt
      const claimed = yield* Effect.uninterruptible(
        Effect.gen(function*() {
          const answer = yield* Effect.result(patience.ask("claim", store.claim(membership.member, lane.name, limit)))
          if (Result.isSuccess(answer) && answer.success.length > 0) {
            // a hold that cannot be asked for is as it was
            yield* Effect.ignore(holds.refresh)
            lane.measure(engine.now())
            engine.take(lane, answer.success, membership)
          }
          return Result.map(answer, ({ length }) => length)
        })
      )
      lane.isClaiming = false
      engine.settle()
      if (Result.isFailure(claimed)) {
        crew.renew(membership)
        yield* patience.told(claimed.failure)
        yield* patience.pause(failures++)
        continue
      }
      failures = 0
      if (claimed.success > 0) nap = shortest
      if (claimed.success >= limit || lane.hasNews) continue
      lane.waitsFor = "jobs"
      const jitter = yield* Random.nextBetween(0.8, 1.2)
      yield* lane.bell.within(nap * jitter)
      lane.waitsFor = null
      // woken: there is something going on
      nap = lane.hasNews ? shortest : Math.min(idleMs, nap * 2)
    }
  }
)

/**
 * The claimer of one queue.
 *
 *   looking --room--> claiming --all that was asked for--> looking
 *      |                 |  \--fewer: nothing more is there--> asleep --woken | poll--> looking
 *      +--no room--> waiting --a slot is free--> looking
 *
 * Never more is claimed than there are free slots and the prefetch. Asleep it looks again after 50 ms, twice as long each
 * time, up to `idleMs`, so that nothing depends on being woken. While it sleeps, enqueues of this process may carry a claim
 * along: that is one under way like any other, whose jobs have their room.
 */
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import type { JobStoreUnavailable } from "../../JobError.ts"
import type { Claimed, JobStore, Standby } from "../../JobStore.ts"
import type { Crew } from "./Crew.ts"
import type { Engine } from "./Engine.ts"
import type { Holds } from "./Holds.ts"
import type { Lane } from "./Lane.ts"
import type { Membership } from "./Membership.ts"
import type { Patience } from "./patience.ts"

/** Milliseconds of the first sleep. */
const shortest = 50

export interface Claiming {
  readonly store: JobStore["Service"]
  readonly engine: Engine
  readonly crew: Crew
  readonly holds: Holds
  readonly patience: Patience
  readonly idleMs: number
  /** Results that may wait for the store. */
  readonly maxResults: number
}

type Answer = Effect.Effect<ReadonlyArray<Claimed>, JobStoreUnavailable>

/** Jobs that may be claimed now; 0 until something changes. */
const roomOf = (lane: Lane, { engine, maxResults }: Claiming) =>
  engine.isOpen && engine.results.size < maxResults && !engine.isIsolated ? lane.wants : 0

/** What was claimed is in good hands before anything can interrupt. Gives how many jobs that were. */
const receive = (lane: Lane, membership: Membership, claim: Answer, { crew, engine, holds, patience }: Claiming) =>
  Effect.uninterruptible(
    Effect.gen(function*() {
      const since = holds.now()
      // a membership is not left while something may still come of it
      membership.inHand += 1
      const answer = yield* Effect.result(patience.ask("claim", claim))
      if (Result.isFailure(answer)) crew.renew(membership)
      else if (answer.success.length > 0) {
        // a hold that cannot be asked for is as it was
        yield* Effect.ignore(holds.refresh(answer.success, since))
        lane.measure(engine.now())
        engine.take(lane, answer.success, membership)
      }
      membership.inHand -= 1
      crew.look()
      return Result.map(answer, ({ length }) => length)
    })
  )

/** What an enqueue is given that asks for a claim. `base`: where its jobs are taken over. */
export const standby =
  (lane: Lane, claiming: Claiming, base: Context.Context<never>) => (most: number): Standby | null => {
    const { crew, engine, patience } = claiming
    const membership = crew.current
    const limit = Math.min(most, roomOf(lane, claiming))
    if (lane.waitsFor !== "jobs" || membership === undefined || limit <= 0) return null
    const answer = Deferred.makeUnsafe<ReadonlyArray<Claimed>, JobStoreUnavailable>()
    lane.expected += limit
    const received = Effect.flatMap(
      receive(lane, membership, Deferred.await(answer), claiming),
      (claimed) => Result.isFailure(claimed) ? patience.told(claimed.failure) : Effect.void
    )
    Effect.runForkWith(base)(Effect.withTracerEnabled(received, false)).addObserver(() => {
      lane.expected -= limit
      lane.noteRoom()
      engine.settle()
    })
    return { member: membership.member, limit, answer: (claimed) => void Deferred.doneUnsafe(answer, claimed) }
  }

export const claimer = Effect.fnUntraced(function*(lane: Lane, claiming: Claiming) {
  const { crew, engine, idleMs, patience, store } = claiming
  lane.isLooking = false
  let failures = 0
  let nap = shortest
  while (engine.isOpen) {
    const membership = crew.current
    if (membership === undefined) {
      yield* crew.joined
      continue
    }
    const limit = roomOf(lane, claiming)
    if (limit === 0) {
      lane.waitsFor = "room"
      yield* lane.bell.rung
      lane.waitsFor = null
      continue
    }
    lane.hasNews = false
    lane.isLooking = true
    const claimed = yield* receive(lane, membership, store.claim(membership.member, lane.name, limit), claiming)
    lane.isLooking = false
    engine.settle()
    if (Result.isFailure(claimed)) {
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
})

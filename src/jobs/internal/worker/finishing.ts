/**
 * The finisher: tells the store how attempts ended, all of them that are there at a time and at most 1,000, as soon as
 * the last batch is through.
 *
 * While the store is away it asks again after at most 2 seconds. A batch that is refused is cut in half, and an end that
 * is refused alone is put aside, so that it does not hold up the rest. It is tried again after others were taken, and
 * ended without what it carried when it was refused three times like that: a store that is away refuses everything, so
 * nothing that could be stored is given up.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { JobStoreUnavailable } from "../../JobError.ts"
import type { End, JobStore } from "../../JobStore.ts"
import * as Waiters from "../await/Waiters.ts"
import type { Crew } from "./Crew.ts"
import type { Engine } from "./Engine.ts"
import type { LiveAttempt } from "./LiveAttempt.ts"
import type { Membership } from "./Membership.ts"
import type { Patience } from "./patience.ts"
import type { Result as Ended } from "./Results.ts"

/** Ends in one batch. */
const most = 1000

/** How often an end alone is refused before it is put aside, and between ends that were taken before it is given up. */
const refusals = 3

/** Milliseconds between two looks at what was put aside, where nothing else ends. */
const later = 2000

interface Aside {
  readonly ended: Ended
  refused: number
}

export const finisher = ({ crew, engine, onFenced, patience, store }: {
  readonly store: JobStore["Service"]
  readonly engine: Engine
  readonly crew: Crew
  readonly patience: Patience
  readonly onFenced: (ended: Ended) => void
}): Effect.Effect<void> => {
  const { results } = engine
  let aside: Array<Aside> = []

  const finish = (membership: Membership, batch: ReadonlyArray<Ended>) =>
    Effect.result(patience.ask("finish", store.finish(membership.member, batch.map(({ end }) => end))))

  const fence = (batch: ReadonlyArray<Ended>, ids: ReadonlySet<string>) => {
    if (ids.size === 0) return
    for (const ended of batch) if (ids.has(ended.live.job.id) && !ended.live.isCompletedTx) onFenced(ended)
  }

  /** Tells of ends of one membership, until all are told or put aside. Gives whether the store took any. */
  const tell = Effect.fnUntraced(function*(membership: Membership, all: ReadonlyArray<Ended>) {
    let rest = all
    let size = most
    let failures = 0
    let isRepeated = false
    let isTaken = false
    while (rest.length > 0 && membership.state !== "lost") {
      const batch = rest.slice(0, size)
      const answer: Result.Result<ReadonlySet<string>, JobStoreUnavailable> = yield* finish(membership, batch)
      if (Result.isSuccess(answer)) {
        // after an answer that was lost, the first attempt may be what fenced the second
        if (!isRepeated) fence(batch, answer.success)
        yield* Waiters.tell(store, batch.map(({ end }) => end.job))
        rest = rest.slice(batch.length)
        membership.inHand -= batch.length
        size = Math.min(most, size * 2)
        failures = 0
        isRepeated = false
        isTaken = true
        continue
      }
      yield* patience.told(answer.failure)
      yield* patience.pause(failures++)
      isRepeated = true
      size = Math.max(1, batch.length >> 1)
      const [first, ...others] = rest
      if (batch.length > 1 || first === undefined || failures < refusals) continue
      aside.push({ ended: first, refused: 0 })
      rest = others
      failures = 0
    }
    membership.inHand -= rest.length
    return isTaken
  })

  /** Tries again what was put aside. `isTaken`: the store has just taken others. */
  const again = Effect.fnUntraced(function*(isTaken: boolean) {
    const left: Array<Aside> = []
    for (const one of aside) {
      const { membership } = one.ended.live
      if (membership.state === "lost") {
        membership.inHand -= 1
        continue
      }
      const answer = yield* finish(membership, [one.ended])
      if (Result.isSuccess(answer)) {
        yield* Waiters.tell(store, [one.ended.live.job])
        membership.inHand -= 1
        continue
      }
      yield* patience.told(answer.failure)
      if (isTaken) one.refused += 1
      if (one.refused < refusals) {
        left.push(one)
        continue
      }
      const { end, live } = one.ended
      yield* Effect.logError(`the end of job ${live.job.id} could not be recorded: ${answer.failure.message}`)
      left.push({ ended: { live, end: bare(end, answer.failure) }, refused: 0 })
    }
    aside = left
  })

  const give = Effect.fnUntraced(function*(membership: Membership, back: ReadonlyArray<LiveAttempt>) {
    const jobs = back.map(({ job }) => job)
    for (let failures = 0; jobs.length > 0 && membership.state !== "lost"; failures++) {
      const answer = yield* Effect.result(patience.ask("hand back", store.handBack(membership.member, jobs)))
      if (Result.isSuccess(answer)) break
      yield* patience.told(answer.failure)
      yield* patience.pause(failures)
    }
    membership.inHand -= jobs.length
  })

  return Effect.gen(function*() {
    while (true) {
      if (!results.isWaiting) yield* aside.length === 0 ? results.bell.rung : results.bell.within(later)
      // what is being begun right now ends together
      while (engine.isBusy && results.waiting < most) yield* Effect.yieldNow
      const { ends, returned } = results.take(most)
      let isTaken = false
      for (const membership of membershipsOf(ends, returned)) {
        yield* give(membership, returned.filter((live) => live.membership === membership))
        const told = yield* tell(membership, ends.filter(({ live }) => live.membership === membership))
        isTaken ||= told
      }
      if (aside.length > 0) yield* again(isTaken)
      results.done(aside.map(({ ended }) => ended.live))
      for (const lane of engine.lanes.values()) lane.noteRoom()
      crew.look()
      engine.settle()
    }
  })
}

const membershipsOf = (ends: ReadonlyArray<Ended>, returned: ReadonlyArray<LiveAttempt>) => {
  const memberships = new Set<Membership>()
  for (const { live } of ends) memberships.add(live.membership)
  for (const live of returned) memberships.add(live.membership)
  return memberships
}

const bare = (end: End, { message }: JobStoreUnavailable): End => ({
  ...end,
  outcome: end.outcome === "completed" ? "discarded" : end.outcome,
  output: undefined,
  report: null,
  logs: [],
  note: null,
  failure: {
    kind: "failure",
    tag: "ResultNotStored",
    message: `its end could not be recorded as it was: ${message.slice(0, 500)}`,
    cause: ""
  }
})

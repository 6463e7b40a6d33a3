/**
 * The finisher: tells the store how attempts ended, all of them that are there at a time and at most 1,000, as soon as
 * the last batch is through.
 *
 * While the store is away it asks again after at most 2 seconds. A batch that is refused is cut in half, so one end that
 * cannot be stored does not hold up the rest: alone, and refused while the store took others, it is ended without what
 * it carried.
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

/** How often in a row one end alone is refused, by a store that answers right after it, before it is given up. */
const refusals = 5

export const finisher = ({ crew, engine, onFenced, patience, store }: {
  readonly store: JobStore["Service"]
  readonly engine: Engine
  readonly crew: Crew
  readonly patience: Patience
  readonly onFenced: (ended: Ended) => void
}): Effect.Effect<void> => {
  const { results } = engine

  /** Tells of ends of one membership. */
  const tell = Effect.fnUntraced(function*(membership: Membership, all: ReadonlyArray<Ended>) {
    let rest = all
    let size = most
    let failures = 0
    let alone = 0
    let isRepeated = false
    while (rest.length > 0 && membership.state !== "lost") {
      const batch = rest.slice(0, size)
      const answer: Result.Result<ReadonlySet<string>, JobStoreUnavailable> = yield* Effect.result(
        patience.ask("finish", store.finish(membership.member, batch.map(({ end }) => end)))
      )
      if (Result.isSuccess(answer)) {
        // after an answer that was lost, the first attempt may be what fenced the second
        if (answer.success.size > 0 && !isRepeated) {
          for (const ended of batch) {
            if (answer.success.has(ended.live.job.id) && !ended.live.isCompletedTx) onFenced(ended)
          }
        }
        yield* Waiters.tell(store, batch.map(({ end }) => end.job.id))
        rest = rest.slice(batch.length)
        size = Math.min(most, size * 2)
        isRepeated = false
        failures = alone = 0
        continue
      }
      isRepeated = true
      yield* patience.told(answer.failure)
      yield* patience.pause(failures++)
      size = Math.max(1, batch.length >> 1)
      const [first, ...others] = rest
      if (batch.length > 1 || first === undefined) continue
      // one that was refused while the store was away may be taken now that it is back
      alone = (yield* answers(store, patience)) ? alone + 1 : 0
      if (alone < refusals) continue
      yield* Effect.logError(`the end of job ${first.live.job.id} could not be recorded: ${answer.failure.message}`)
      rest = [{ live: first.live, end: bare(first.end, answer.failure) }, ...others]
      alone = Number.NEGATIVE_INFINITY
    }
  })

  const give = Effect.fnUntraced(function*(membership: Membership, back: ReadonlyArray<LiveAttempt>) {
    const jobs = back.map(({ job }) => job)
    for (let failures = 0; jobs.length > 0 && membership.state !== "lost"; failures++) {
      const answer = yield* Effect.result(patience.ask("hand back", store.handBack(membership.member, jobs)))
      if (Result.isSuccess(answer)) return
      yield* patience.told(answer.failure)
      yield* patience.pause(failures)
    }
  })

  return Effect.gen(function*() {
    while (true) {
      if (results.waiting === 0 && results.size === 0) yield* results.bell.rung
      // what is being begun right now ends together
      while (engine.isBusy && results.waiting < most) yield* Effect.yieldNow
      const { ends, returned } = results.take(most)
      const memberships = new Set([...ends, ...returned.map((live) => ({ live }))].map(({ live }) => live.membership))
      for (const membership of memberships) {
        const back = returned.filter((live) => live.membership === membership)
        yield* give(membership, back)
        const own = memberships.size === 1 ? ends : ends.filter(({ live }) => live.membership === membership)
        yield* tell(membership, own)
        membership.inHand -= own.length + back.length
      }
      results.done()
      for (const lane of engine.lanes.values()) lane.noteRoom()
      crew.look()
      engine.settle()
    }
  })
}

/** The store answers, so it is the end itself that it refuses. */
const answers = (store: JobStore["Service"], patience: Patience) =>
  Effect.map(Effect.result(patience.ask("look", store.holds.list)), Result.isSuccess)

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

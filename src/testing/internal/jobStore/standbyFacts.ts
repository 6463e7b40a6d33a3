/** What a claim promises that an enqueue carries along. Whether a store asks for one is its own affair. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { JobStoreUnavailable } from "../../../jobs/JobError.ts"
import type { Claimed, JobStore, Member } from "../../../jobs/JobStore.ts"
import { ending, type Fact, fresh, lane, later, named, nameOf, stateOf } from "./lane.ts"

/** A worker that has room for so many, until the scope closes. */
const ready = Effect.fnUntraced(function*(store: JobStore["Service"], member: Member, queue: string, room: number) {
  const told: Array<Effect.Effect<ReadonlyArray<Claimed>, JobStoreUnavailable>> = []
  const asked: Array<number> = []
  yield* store.standby(queue, (most) => {
    asked.push(most)
    const limit = Math.min(most, room)
    return limit === 0 ? null : { member, limit, answer: (claimed) => told.push(claimed) }
  })
  return { asked, told, taken: Effect.suspend(() => Effect.map(Effect.all(told), (all) => all.flat())) }
})

export const standbyFacts = (fact: Fact) => {
  fact(
    "what an enqueue brings is claimed once, by itself or later",
    Effect.gen(function*() {
      const { claim, enqueue, member, queue, store } = yield* lane
      const { asked, taken, told } = yield* ready(store, member, queue, 2)
      const ids = [...yield* enqueue({}, {}, {}), ...yield* enqueue({})]
      const carried = yield* taken
      assert.isAtMost(carried.length, 3)
      assert.strictEqual(told.length, asked.length)
      for (const { attempt, epoch, id } of carried) {
        assert.deepStrictEqual([attempt, epoch, yield* stateOf(id)], [1, 1, "running"])
      }
      const rest = yield* claim()
      assert.sameMembers([...carried, ...rest].map(({ id }) => id), ids)
      assert.strictEqual((yield* store.finish(member, carried.map((job) => ending(job, "completed")))).size, 0)
    })
  )

  fact(
    "what stands first is claimed first, whoever brings the claim",
    Effect.gen(function*() {
      const { claimNames, enqueue, member, queue, store } = yield* lane
      yield* enqueue(named("first"), named("second"))
      const { taken } = yield* ready(store, member, queue, 1)
      yield* enqueue(named("third"))
      const names = [...(yield* taken).map(nameOf), ...yield* claimNames()]
      assert.deepStrictEqual(names, ["first", "second", "third"])
    })
  )

  fact(
    "what is more urgent than the last claim is claimed by its own enqueue before what that claim left",
    Effect.gen(function*() {
      const { claimNames, claimed, enqueue, member, queue, store } = yield* lane
      yield* enqueue(named("first"), named("second"))
      yield* claimed(1)
      const { taken } = yield* ready(store, member, queue, 1)
      yield* enqueue({ ...named("urgent"), priority: -5 })
      const names = [...(yield* taken).map(nameOf), ...yield* claimNames()]
      assert.deepStrictEqual(names, ["urgent", "second"])
    })
  )

  fact(
    "an enqueue claims nothing of a queue that is paused, nothing that is not due, and nothing for a worker that went",
    Effect.gen(function*() {
      const { enqueue, member, queue, store } = yield* lane
      yield* enqueue({ delayMs: later })
      const scope = yield* Scope.make()
      const { taken } = yield* Scope.provide(ready(store, member, queue, 9), scope)
      const [due] = yield* Effect.andThen(store.pause(queue, true), enqueue({}))
      yield* enqueue({ delayMs: later })
      assert.deepStrictEqual([(yield* taken).length, yield* stateOf(due)], [0, "available"])
      yield* store.pause(queue, false)
      yield* Scope.close(scope, Exit.void)
      const [after] = yield* enqueue({})
      assert.deepStrictEqual([(yield* taken).length, yield* stateOf(after)], [0, "available"])
    })
  )

  fact(
    "a claim says whether anything was paused",
    Effect.gen(function*() {
      const { enqueue, only, store } = yield* lane
      const hold = `tenant:${yield* fresh("tenant")}`
      yield* store.holds.put(hold)
      yield* enqueue({})
      assert.isTrue((yield* only).mayBeHeld)
      yield* store.holds.release(hold)
      yield* enqueue({})
      if ((yield* store.holds.list).size === 0) assert.isFalse((yield* only).mayBeHeld)
    })
  )
}

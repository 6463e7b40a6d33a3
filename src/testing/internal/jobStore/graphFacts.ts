/** What jobs that wait for other jobs promise. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { JobId } from "../../../jobs/Job.ts"
import { ending, type Fact, failure, jobOf, join, lane, named, stateOf, statesOf } from "./lane.ts"

export const graphFacts = (fact: Fact) => {
  fact(
    "a job waits for its parents, gets their results and runs once",
    Effect.gen(function*() {
      const { claimNames, claimed, end, enqueue, store } = yield* lane
      const after = [{ parent: 0, on: "completed" }, { parent: 1, on: "completed" }] as const
      const ids = yield* enqueue(named("left"), named("right"), named("join", { after }))
      assert.strictEqual(yield* stateOf(ids[2]), "pending")
      assert.include((yield* jobOf(ids[2])).reason ?? "", "2")
      assert.deepStrictEqual((yield* store.parents(ids[2])).map(({ state }) => state), ["available", "available"])
      const [left, right] = yield* claimed(2)
      assert.deepStrictEqual([left.awaited, right.awaited], [true, true])
      yield* end(right, "completed", { output: "r" })
      assert.deepStrictEqual(yield* claimNames(), [])
      yield* end(left, "completed", { output: "l" })
      assert.deepStrictEqual(yield* claimNames(), ["join"])
      const parents = yield* store.parents(ids[2])
      assert.deepStrictEqual(parents.map(({ id, output, state }) => [id, state, output]), [
        [ids[0], "completed", "l"],
        [ids[1], "completed", "r"]
      ])
    })
  )

  fact(
    "both parents that end at the same moment wake their child once",
    Effect.gen(function*() {
      const { claim, claimed, enqueue, store } = yield* lane
      const [one, two] = [yield* join, yield* join]
      for (let round = 0; round < 5; round += 1) {
        const after = [{ parent: 0, on: "completed" }, { parent: 1, on: "completed" }] as const
        const ids = yield* enqueue({}, {}, { after })
        const [left] = yield* claimed(1, one)
        const [right] = yield* claimed(1, two)
        yield* Effect.all([
          store.finish(one, [ending(left, "completed")]),
          store.finish(two, [ending(right, "completed")])
        ], { concurrency: 2 })
        const children = yield* claim()
        assert.deepStrictEqual(children.map(({ id }) => id), [ids[2]])
      }
    })
  )

  fact(
    "a retry is no end; the end decides for each edge, and all that can no longer go on is cancelled",
    Effect.gen(function*() {
      const { claimNames, end, enqueue, only } = yield* lane
      const on = (on: "completed" | "failed" | "any", parent: number) => ({ after: [{ parent, on }] })
      const ids = yield* enqueue(
        named("root"),
        named("next", on("completed", 0)),
        named("compensate", on("failed", 0)),
        named("always", on("any", 0)),
        named("after next", on("completed", 1)),
        named("if next fails", on("failed", 1))
      )
      yield* end(yield* only, "retry", { failure: failure("Broken") })
      assert.deepStrictEqual(yield* statesOf(...ids.slice(1)), Array.from({ length: 5 }, () => "pending"))
      yield* end(yield* only, "discarded", { failure: failure("Broken") })
      assert.deepStrictEqual(yield* Effect.forEach([ids[1], ids[4]], stateOf), ["cancelled", "cancelled"])
      assert.strictEqual((yield* jobOf(ids[1])).failure?.tag, "ParentNotCompleted")
      assert.sameMembers(yield* claimNames(), ["compensate", "always", "if next fails"])
    })
  )

  fact(
    "a parent that has ended already, by id, decides at once",
    Effect.gen(function*() {
      const { claim, end, enqueue, only } = yield* lane
      const [parent] = yield* enqueue({})
      yield* end(yield* only, "completed")
      const ids = yield* enqueue(
        { after: [{ parent, on: "completed" }] },
        { after: [{ parent, on: "failed" }] },
        { after: [{ parent, on: "any" }] },
        { after: [{ parent: JobId.make("7"), on: "completed" }] },
        { after: [{ parent: JobId.make("7"), on: "any" }] }
      )
      yield* claim()
      const [done, failed, any, unknown, anyway] = yield* statesOf(...ids)
      assert.deepStrictEqual([failed, unknown], ["cancelled", "cancelled"])
      assert.deepStrictEqual([done, any, anyway], ["running", "running", "running"])
    })
  )

  fact(
    "who cancels a parent cancels what waits for it",
    Effect.gen(function*() {
      const { enqueue, store } = yield* lane
      const ids = yield* enqueue({}, { after: [{ parent: 0, on: "completed" }] }, { after: [{ parent: 1, on: "any" }] })
      yield* store.cancel(ids.slice(0, 1), { actor: "ada", reason: "no longer needed" })
      yield* store.sweep
      yield* store.promote(100)
      assert.deepStrictEqual(yield* statesOf(...ids), ["cancelled", "cancelled", "available"])
    })
  )
}

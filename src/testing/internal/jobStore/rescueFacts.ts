/** What happens to jobs whose worker died. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { JobId } from "../../../jobs/Job.ts"
import { type Expire, type Fact, fresh, freshKey, jobOf, join, lane, named, nameOf, stateOf, statesOf } from "./lane.ts"

/** Its state when it was taken back: a store that sweeps by itself may do so before it is asked to. */
const fateOf = (id: JobId) => Effect.repeat(stateOf(id), { until: (state) => state !== "running" })

export const rescueFacts = <R>(fact: Fact<R>, expire: Expire<R>) => {
  fact(
    "S2.30 a member whose lease ran out claims nothing, its jobs come back with a loss counted, and it is fenced",
    Effect.gen(function*() {
      const { claimBy, claimed, end, enqueue, member, store } = yield* lane
      const [id] = yield* enqueue({})
      const [job] = yield* claimed(1)
      assert.isTrue(yield* store.owns(member, job))
      yield* expire(member)
      assert.deepStrictEqual(yield* claimBy(member), [])
      const rescued = yield* store.rescue
      assert.deepInclude(rescued, { id: job.id, queue: job.queue, fate: "available" })
      assert.deepInclude(yield* jobOf(id), { state: "available", attempt: 1, lost: 1 })
      assert.deepStrictEqual(
        (yield* store.attempts(job.id)).map(({ failure, startedAt }) => [failure?.tag, startedAt?.epochMilliseconds]),
        [["WorkerLost", Math.floor(job.startedAt)]]
      )
      assert.strictEqual(yield* end(job, "completed"), "fenced")
      assert.isFalse(yield* store.owns(member, job))
      assert.deepStrictEqual(yield* claimBy(member), [])
      const survivor = yield* join
      const [again] = yield* claimBy(survivor, 1)
      assert.deepInclude(again, { id: job.id, attempt: 2, lost: 1, epoch: 3 })
      assert.notInclude((yield* store.members).map(({ id }) => id), member.id)
      assert.notInclude((yield* store.rescue).map(({ id }) => id), job.id)
    })
  )

  fact(
    "a job that was alone in the third of its workers that died is discarded, its key and its permit are free",
    Effect.gen(function*() {
      const { claimBy, enqueue, queue, store } = yield* lane
      const name = yield* fresh("limit")
      yield* store.limits.set({ name, permits: 1, rate: null })
      const limit = { name, key: "k", strict: true }
      const unique = { key: yield* freshKey, withinMs: null, until: "done", onConflict: "skip" } as const
      const [poison] = yield* enqueue(named("poison", { unique, limit }), named("next", { limit }))
      for (const fate of ["available", "available", "discarded"]) {
        const member = yield* join
        const [job, ...none] = yield* claimBy(member)
        assert.deepStrictEqual([job, ...none].map((one) => one && nameOf(one)), ["poison"])
        if (job !== undefined) assert.isTrue(yield* store.isolate(member, job))
        yield* expire(member)
        assert.deepInclude(yield* store.rescue, { id: poison, queue, fate })
      }
      const job = yield* jobOf(poison)
      assert.deepInclude(job, { state: "discarded", lost: 3 })
      assert.strictEqual(job.failure?.tag, "WorkerLost")
      assert.deepStrictEqual((yield* claimBy(yield* join)).map(nameOf), ["next"])
      const [again] = yield* enqueue(named("poison", { unique }))
      assert.notStrictEqual(again, poison)
    })
  )

  fact(
    "G18 three deaths discard a job that was alone; losses whose member came back, or left with the job in hand, do not",
    Effect.gen(function*() {
      const { claimed, enqueue, store } = yield* lane
      const [id] = yield* enqueue({})
      const afterLoss = Effect.fnUntraced(function*(loses: "died" | "came back" | "left") {
        const scope = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
        const member = yield* Scope.provide(join, scope)
        const [job] = yield* claimed(1, member)
        assert.strictEqual(job.id, id)
        assert.isTrue(yield* store.isolate(member, job))
        if (loses === "left") yield* Scope.close(scope, Exit.void)
        yield* expire(member)
        yield* store.rescue
        const fate = yield* fateOf(id)
        if (loses === "came back") yield* Scope.close(scope, Exit.void)
        return fate
      })
      for (const loses of ["came back", "left", "came back", "died", "left", "died"] as const) {
        assert.strictEqual(yield* afterLoss(loses), "available")
      }
      const lapsed = "LeaseLost"
      const tags = Effect.map(store.attempts(id), (all) => all.map(({ failure }) => failure?.tag))
      assert.deepStrictEqual(yield* tags, [lapsed, lapsed, lapsed, "WorkerLost", lapsed, "WorkerLost"])
      assert.deepInclude(yield* jobOf(id), { state: "available", attempt: 6, lost: 6 })
      assert.strictEqual(yield* afterLoss("died"), "discarded")
      assert.deepInclude(yield* jobOf(id), { state: "discarded", attempt: 7, lost: 7 })
      // with another chance its deaths are counted anew
      yield* store.retry([id])
      assert.strictEqual(yield* afterLoss("died"), "available")
      assert.strictEqual(yield* afterLoss("died"), "available")
      assert.strictEqual(yield* afterLoss("died"), "discarded")
    })
  )

  fact(
    "G18 deaths in company discard a job at the tenth, also one that ran alone before, and of a lost job nothing is noted",
    Effect.gen(function*() {
      const { claimed, enqueue, store } = yield* lane
      const [id] = yield* enqueue({})
      for (let death = 1; death <= 10; death++) {
        const member = yield* join
        const [job] = yield* claimed(1, member)
        if (death === 1) assert.isTrue(yield* store.isolate(member, job))
        yield* expire(member)
        if (death === 2) assert.isFalse(yield* store.isolate(member, job))
        yield* store.rescue
        assert.strictEqual(yield* fateOf(id), death < 10 ? "available" : "discarded")
      }
    })
  )

  fact(
    "G18 a job that others have joined since it began alone is not to blame for the third death",
    Effect.gen(function*() {
      const { claimed, enqueue, store } = yield* lane
      const [id] = yield* enqueue({})
      for (let death = 1; death <= 4; death++) {
        const member = yield* join
        const [job] = yield* claimed(1, member)
        assert.isTrue(yield* store.isolate(member, job))
        if (death < 4) assert.isTrue(yield* store.isolate(member, null))
        yield* expire(member)
        yield* store.rescue
        assert.strictEqual(yield* fateOf(id), death < 4 ? "available" : "discarded")
      }
    })
  )

  fact(
    "a member that leaves with a job in hand spends its attempt",
    Effect.gen(function*() {
      const { claimBy, enqueue, store } = yield* lane
      const [id] = yield* enqueue({ maxAttempts: 1 })
      const scope = yield* Scope.make()
      const member = yield* Scope.provide(join, scope)
      yield* claimBy(member)
      yield* Scope.close(scope, Exit.void)
      yield* expire(member)
      yield* store.rescue
      const job = yield* jobOf(id)
      assert.deepInclude(job, { state: "discarded", attempt: 1, lost: 1 })
      assert.strictEqual(job.failure?.tag, "LeaseLost")
    })
  )

  fact(
    "a job that is to end is not run again when its worker dies, nor one without attempts left; their children learn it",
    Effect.gen(function*() {
      const { claimBy, enqueue, store } = yield* lane
      const after = [{ parent: 0, on: "failed" }] as const
      const member = yield* join
      const [asked, child, last] = yield* enqueue({}, { after }, { maxAttempts: 1 })
      yield* claimBy(member)
      yield* store.cancel([asked], { actor: "ada", reason: null })
      yield* expire(member)
      const rescued = yield* store.rescue
      assert.includeDeepMembers(rescued.map(({ fate, id }) => [id, fate]), [[asked, "cancelled"], [last, "discarded"]])
      yield* store.promote(100)
      assert.deepStrictEqual(yield* statesOf(asked, child, last), ["cancelled", "available", "discarded"])
      assert.strictEqual((yield* jobOf(asked)).failure?.cancellation?.actor, "ada")
    })
  )

  fact(
    "members that live lose nothing",
    Effect.gen(function*() {
      const { claimBy, enqueue, store } = yield* lane
      const [dead, alive] = [yield* join, yield* join]
      const [one, two] = yield* enqueue({}, {})
      yield* claimBy(dead, 1)
      yield* expire(dead)
      const late = yield* join
      yield* claimBy(late, 1)
      yield* store.rescue
      assert.deepStrictEqual(yield* statesOf(one, two), ["available", "running"])
      assert.notStrictEqual(alive.id, late.id)
    })
  )
}

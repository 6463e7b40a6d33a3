/** What limits, holds, fair and ageing queues promise. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type Fact, fresh, jobOf, join, lane, later, named, nameOf, stateOf } from "./lane.ts"

export const limitFacts = (fact: Fact) => {
  fact(
    "refuses jobs that name a limit which is not there, all of the call",
    Effect.gen(function*() {
      const { enqueue, store } = yield* lane
      const name = yield* fresh("limit")
      const error = yield* Effect.flip(enqueue({}, { limit: { name, key: "a", strict: false } }))
      assert.strictEqual(error._tag, "JobInvalid")
      assert.include(error.message, name)
      yield* store.limits.set({ name, permits: 1, rate: null })
      assert.lengthOf(yield* enqueue({ limit: { name, key: "a", strict: false } }), 1)
    })
  )

  fact(
    "no more jobs of a key run than it has permits, and the next one starts when one ends",
    Effect.gen(function*() {
      const { claim, claimNames, end, enqueue, queue, store } = yield* lane
      const name = yield* fresh("limit")
      yield* store.limits.set({ name, permits: 2, rate: null })
      const limited = (key: string) => ({ limit: { name, key, strict: false } })
      const [, , parked] = yield* enqueue(
        named("a1", limited("a")),
        named("a2", limited("a")),
        named("a3", limited("a")),
        named("a4", limited("a")),
        named("b1", limited("b")),
        named("free")
      )
      const [a1, a2, ...others] = yield* claim()
      assert.isDefined(a1)
      assert.isDefined(a2)
      assert.deepStrictEqual([a1, a2, ...others].map(nameOf), ["a1", "a2", "b1", "free"])
      assert.deepInclude(yield* jobOf(parked), { state: "available" })
      assert.include((yield* jobOf(parked)).reason ?? "", name)
      assert.strictEqual((yield* store.queues).find((state) => state.name === queue)?.parked, 2)
      yield* end(a1, "completed")
      assert.deepStrictEqual(yield* claimNames(), ["a3"])
      // a retry gives its permit to the next one
      yield* end(a2, "retry", { delayMs: later })
      assert.deepStrictEqual(yield* claimNames(), ["a4"])
    })
  )

  fact(
    "a strict key runs its jobs one after the other, also through a retry",
    Effect.gen(function*() {
      const { claimNames, end, enqueue, only, store } = yield* lane
      const strict = { limit: { name: "order", key: yield* fresh("key"), strict: true } }
      assert.deepInclude(yield* store.limits.list, { name: "order", permits: 1, rate: null })
      yield* enqueue(named("one", strict), named("two", strict))
      const one = yield* only
      yield* end(one, "retry", { delayMs: later })
      assert.deepStrictEqual(yield* claimNames(), [])
      yield* store.reschedule([one.id], { delayMs: 0 })
      const again = yield* only
      assert.deepStrictEqual([nameOf(again), again.attempt], ["one", 2])
      yield* end(again, "discarded")
      assert.deepStrictEqual(yield* claimNames(), ["two"])
    })
  )

  fact(
    "a cancelled holder of a permit lets the next one in, and so does a limit that is raised",
    Effect.gen(function*() {
      const { claimNames, enqueue, store } = yield* lane
      const name = yield* fresh("limit")
      yield* store.limits.set({ name, permits: 1, rate: null })
      const limited = { limit: { name, key: "k", strict: false } }
      const [first] = yield* enqueue(named("one", limited), named("two", limited), named("three", limited))
      yield* store.cancel([first], { actor: "ada", reason: null })
      assert.deepStrictEqual(yield* claimNames(), ["two"])
      yield* store.limits.set({ name, permits: 2, rate: null })
      yield* store.sweep
      assert.deepStrictEqual(yield* claimNames(), ["three"])
    })
  )

  fact(
    "all jobs of a queue obey its limit that name none of their own",
    Effect.gen(function*() {
      const { claimNames, enqueue, queue, store } = yield* lane
      const name = yield* fresh("limit")
      yield* store.limits.set({ name, permits: 1, rate: null })
      assert.isNull(yield* store.configure(queue, { limit: name }))
      const own = { limit: { name: "order", key: yield* fresh("key"), strict: false } }
      yield* enqueue(named("one"), named("two"), named("own", own))
      assert.deepStrictEqual(yield* claimNames(), ["one", "own"])
      assert.strictEqual((yield* store.queues).find((state) => state.name === queue)?.limit, name)
    })
  )

  fact(
    "what stands in the way of a setting is said in the same words, and nothing is changed",
    Effect.gen(function*() {
      const { enqueue, queue, store } = yield* lane
      const name = yield* fresh("limit")
      yield* enqueue({})
      assert.strictEqual(
        yield* store.configure(queue, { limit: name }),
        `there is no limit ${name}: set it first`
      )
      const order = "it holds jobs that were ordered as it is now: change fair or ageing when it is empty"
      assert.strictEqual(yield* store.configure(queue, { fair: true }), order)
      assert.strictEqual(yield* store.configure(queue, { ageingMs: 1000 }), order)
      assert.strictEqual(
        yield* store.configure(queue, { fair: true, ageingMs: 1000 }),
        "it can order by tenant (fair) or by age (ageing), not by both"
      )
      assert.strictEqual(
        yield* store.configure(queue, { ageingMs: 0.1 }),
        "a job cannot age by 0.1 ms: give at least 1, or null for no ageing"
      )
      // what it is already stands in nobody's way
      assert.isNull(yield* store.configure(queue, { fair: false, ageingMs: null, limit: null }))
      const state = (yield* store.queues).find((each) => each.name === queue)
      assert.deepInclude(state ?? {}, { fair: false, ageingMs: null, limit: null })
    })
  )

  fact(
    "a removal is undone with its transaction",
    Effect.gen(function*() {
      const { queue, store } = yield* lane
      const name = yield* fresh("limit")
      yield* store.limits.set({ name, permits: 1, rate: null })
      yield* store.configure(queue, { fair: true })
      const removals = Effect.all([store.remove(queue), store.limits.remove(name)])
      yield* Effect.exit(store.transaction(Effect.andThen(removals, Effect.fail("no"))))
      assert.deepInclude((yield* store.queues).find((each) => each.name === queue) ?? {}, { fair: true })
      assert.include((yield* store.limits.list).map((limit) => limit.name), name)
      assert.deepStrictEqual(yield* store.transaction(removals), ["removed", "removed"])
    })
  )

  fact(
    "nothing is taken of a limit that was never set, nor held, and neither makes it",
    Effect.gen(function*() {
      const { store } = yield* lane
      const name = yield* fresh("limit")
      for (const asked of [store.limits.take(name, "k", 1), store.limits.hold(name, "k", later)]) {
        assert.include((yield* Effect.flip(asked)).message, `there is no limit ${name}: set it first`)
      }
      assert.notInclude((yield* store.limits.list).map((limit) => limit.name), name)
    })
  )

  fact(
    "a discarded job whose limit was removed obeys it as it was when it is retried",
    Effect.gen(function*() {
      const { claim, claimed, end, enqueue, store } = yield* lane
      const name = yield* fresh("limit")
      yield* store.limits.set({ name, permits: 1, rate: null })
      const limited = { limit: { name, key: "k", strict: false } }
      const ids = yield* enqueue(limited, limited)
      for (const _ of ids) {
        const [job] = yield* claimed(1)
        yield* end(job, "discarded")
      }
      assert.strictEqual(yield* store.limits.remove(name), "removed")
      yield* store.limits.hold(name, "other", later)
      yield* store.retry(ids)
      assert.strictEqual((yield* claim()).length, 1)
      assert.notInclude((yield* store.limits.list).map((limit) => limit.name), name)
    })
  )

  fact(
    "removes a queue and a limit that nothing uses, says what uses them, and knows a queue again that is used again",
    Effect.gen(function*() {
      const { claimed, end, enqueue, queue, store } = yield* lane
      const [name, node] = [yield* fresh("limit"), yield* fresh("node")]
      yield* store.limits.set({ name, permits: 1, rate: null })
      yield* store.configure(queue, { limit: name, fair: true })
      assert.deepStrictEqual(yield* store.limits.remove(name), { usedBy: `queues obey it: ${queue}` })
      yield* store.configure(queue, { limit: null })
      const [id] = yield* enqueue({ limit: { name, key: "k", strict: false } })
      assert.deepStrictEqual(yield* store.limits.remove(name), { usedBy: "jobs that have not ended name it" })
      assert.deepStrictEqual(yield* store.remove(queue), { usedBy: "it holds jobs that have not ended" })
      const [job] = yield* claimed(1)
      yield* end(job, "completed")
      assert.strictEqual(yield* store.limits.remove(name), "removed")
      assert.strictEqual(yield* store.limits.remove(name), "unknown")
      const refused = yield* Effect.flip(enqueue({ limit: { name, key: "k", strict: false } }))
      assert.strictEqual(refused._tag, "JobInvalid")
      assert.notInclude((yield* store.limits.list).map((limit) => limit.name), name)
      assert.strictEqual(yield* store.remove(queue), "removed")
      assert.strictEqual(yield* store.remove(queue), "unknown")
      const state = Effect.map(store.queues, (all) => all.find((each) => each.name === queue))
      assert.isUndefined(yield* state)
      assert.strictEqual(yield* stateOf(id), "completed")
      yield* enqueue({})
      assert.deepInclude((yield* state) ?? {}, { fair: false, limit: null, pausedAt: null })
      const [again] = yield* claimed(1)
      yield* end(again, "completed")
      yield* store.join({ node, info: {}, serves: { [queue]: ["suite.task"] } })
      assert.deepStrictEqual(yield* store.remove(queue), { usedBy: `workers serve it: ${node}` })
      assert.deepStrictEqual(yield* store.limits.remove("order"), { usedBy: "it is the limit behind orderBy" })
    })
  )

  fact(
    "a rate lets a burst start, and then one for each interval",
    Effect.gen(function*() {
      const { claimNames, enqueue, store } = yield* lane
      const name = yield* fresh("limit")
      yield* store.limits.set({ name, permits: null, rate: { units: 1, perMs: 3_600_000, burst: 2 } })
      yield* enqueue(...["a", "b", "c"].map((job) => named(job, { limit: { name, key: "k", strict: false } })))
      assert.deepStrictEqual(yield* claimNames(), ["a", "b"])
      yield* store.sweep
      assert.deepStrictEqual(yield* claimNames(), [])
      assert.deepInclude(yield* store.limits.list, {
        name,
        permits: null,
        rate: { units: 1, perMs: 3_600_000, burst: 2 }
      })
    })
  )

  fact(
    "units of a rate are taken at once or refused with the time to ask again",
    Effect.gen(function*() {
      const { store } = yield* lane
      const name = yield* fresh("limit")
      yield* store.limits.set({ name, permits: null, rate: { units: 1, perMs: 3_600_000, burst: 3 } })
      assert.strictEqual((yield* store.limits.take(name, "k", 2)).retryMs, 0)
      const { retryMs } = yield* store.limits.take(name, "k", 2)
      assert.isAbove(retryMs, 3_500_000)
      assert.isAtMost(retryMs, 3_600_000)
      assert.strictEqual((yield* store.limits.take(name, "k", 1)).retryMs, 0)
      assert.strictEqual((yield* store.limits.take(name, "other", 3)).retryMs, 0)
    })
  )

  fact(
    "nothing of a key starts while the far side asked for quiet",
    Effect.gen(function*() {
      const { claimNames, enqueue, store } = yield* lane
      const name = yield* fresh("limit")
      yield* store.limits.set({ name, permits: null, rate: { units: 100, perMs: 1000, burst: 100 } })
      yield* store.limits.hold(name, "k", later)
      yield* enqueue(
        named("held", { limit: { name, key: "k", strict: false } }),
        named("other", { limit: { name, key: "o", strict: false } })
      )
      yield* store.sweep
      assert.deepStrictEqual(yield* claimNames(), ["other"])
      assert.isAbove((yield* store.limits.take(name, "k", 1)).retryMs, later - 60_000)
    })
  )

  fact(
    "a held kind waits, unspent, until it is released",
    Effect.gen(function*() {
      const { end, enqueue, only, store } = yield* lane
      const hold = `task:${yield* fresh("task")}`
      yield* store.holds.put(hold)
      yield* store.holds.put(hold)
      assert.include(Array.from(yield* store.holds.list), hold)
      const [id] = yield* enqueue({})
      yield* end(yield* only, "hold", { note: hold })
      const held = yield* jobOf(id)
      assert.deepInclude(held, { state: "available", attempt: 0 })
      assert.include(held.reason ?? "", hold)
      assert.notInclude(
        yield* Effect.map(store.claim(yield* join, held.queue, 9), (all) => all.map((job) => job.id)),
        id
      )
      yield* store.holds.release(hold)
      assert.notInclude(Array.from(yield* store.holds.list), hold)
      const again = yield* only
      assert.deepInclude(again, { id, attempt: 1 })
      // released between the claim and the end
      yield* end(again, "hold", { note: hold })
      assert.deepInclude(yield* only, { id, attempt: 1 })
    })
  )

  fact(
    "S2.91 tenants of a fair queue take turns, also one that comes late",
    Effect.gen(function*() {
      const { claim, claimNames, end, enqueue, queue, store } = yield* lane
      assert.isNull(yield* store.configure(queue, { fair: true }))
      const of = (tenant: string, count: number) => Array.from({ length: count }, () => named(tenant, { tenant }))
      yield* enqueue(...of("big", 20))
      yield* Effect.forEach(yield* claim(6), (job) => end(job, "completed"))
      yield* Effect.sleep("150 millis")
      yield* Effect.forEach(yield* claim(1), (job) => end(job, "completed"))
      yield* enqueue(...of("late", 3), ...of("other", 3))
      const names = yield* claimNames(9)
      for (const tenant of ["big", "late", "other"]) {
        assert.strictEqual(names.filter((name) => name === tenant).length, 3, names.join(" "))
      }
      assert.isNotNull(yield* store.configure(queue, { fair: false }))
    })
  )

  fact(
    "S2.91 in a queue that orders by age a job goes before newer ones of a better priority, in time",
    Effect.gen(function*() {
      const { claimNames, enqueue, queue, store } = yield* lane
      assert.isNull(yield* store.configure(queue, { ageingMs: 5 }))
      const [low] = yield* enqueue(named("low", { priority: 10 }), named("high"))
      assert.strictEqual((yield* jobOf(low)).priority, 10)
      yield* Effect.sleep("80 millis")
      yield* enqueue(named("newer"), named("newest", { priority: -1 }))
      const names = yield* claimNames()
      assert.deepStrictEqual(names.slice(0, 2), ["high", "low"])
      assert.sameMembers(names.slice(2), ["newer", "newest"])
      assert.strictEqual(yield* stateOf(low), "running")
      assert.isNotNull(yield* store.configure(queue, { ageingMs: null }))
    })
  )
}

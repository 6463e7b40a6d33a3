import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as Supervisor from "ostinato/core/Supervisor"
import type { JobId } from "ostinato/jobs/Job"
import { type Claimed, type End, JobStore } from "ostinato/jobs/JobStore"
import * as Memory from "ostinato/jobs/stores/Memory"
import { newJob } from "../../src/testing/internal/jobStore/newJob.ts"
import { heldBytes } from "./heldBytes.ts"

const fact = <E>(name: string, test: Effect.Effect<void, E, JobStore | Memory.Due | Scope.Scope>) =>
  it.effect(name, () => Effect.scoped(Effect.provide(test, Layer.provide(Memory.layer, Supervisor.layer))))

const join = Effect.flatMap(JobStore, (store) => store.join({ node: "a", info: {}, serves: {} }))

const ending = (job: Claimed, outcome: End["outcome"]): End => ({
  job,
  outcome,
  delayMs: 0,
  output: undefined,
  failure: null,
  note: null,
  report: null,
  logs: []
})

describe("jobs in memory", () => {
  fact(
    "a waiting job takes about 250 bytes besides its payload, and a claim does not look at the others",
    Effect.gen(function*() {
      const store = yield* JobStore
      const jobs = 60_000
      const payload = {}
      const before = yield* heldBytes
      for (let made = 0; made < jobs; made += 10_000) {
        // ids of one millisecond are 2^19
        yield* TestClock.adjust(1)
        yield* store.enqueue(Array.from({ length: 10_000 }, () => newJob("many", { payload })))
      }
      const each = ((yield* heldBytes) - before) / jobs
      assert.isBelow(each, 260)
      const [job] = yield* store.claim(yield* join, "many", 1)
      assert.strictEqual(job?.createdAt, 1)
    })
  )

  fact(
    "S2.92 a job is due to the millisecond",
    Effect.gen(function*() {
      const store = yield* JobStore
      const [made] = yield* store.enqueue([newJob("due", { delayMs: 90_061_001 })])
      yield* TestClock.adjust(90_061_000)
      assert.deepStrictEqual([yield* store.nextDueMs, yield* store.promote(9)], [1, 0])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual([yield* store.nextDueMs, yield* store.promote(9)], [0, 1])
      const job = yield* store.get(made!.id)
      assert.strictEqual(DateTime.toEpochMillis(job!.availableAt!), 90_061_001)
      assert.isNull(yield* store.nextDueMs)
    })
  )

  fact(
    "no more jobs of a rate start in any window than it allows, however they pile up",
    Effect.gen(function*() {
      const store = yield* JobStore
      yield* store.limits.set({ name: "api", permits: null, rate: { units: 1, perMs: 5000, burst: 3 } })
      const limit = { name: "api", key: "k", strict: false }
      yield* store.enqueue(Array.from({ length: 40 }, () => newJob("rate", { limit })))
      const member = yield* join
      const starts: Array<number> = []
      const second = Effect.fnUntraced(function*(isOpen: boolean) {
        yield* store.sweep
        yield* store.promote(100)
        const jobs = isOpen ? yield* store.claim(member, "rate", 100) : []
        starts.push(...jobs.map(({ startedAt }) => startedAt))
        yield* store.finish(member, jobs.map((job) => ending(job, "completed")))
        yield* TestClock.adjust("1 second")
      })
      // nobody claims for a minute, twice
      for (const open of [20, 0, 60, 0, 100]) {
        for (let at = 0; at < Math.max(open, 60); at += 1) yield* second(at < open)
      }
      assert.isAtLeast(starts.length, 30)
      for (const [at, start] of starts.entries()) {
        const within = starts.slice(at).filter((other) => other < start + 20_000).length
        // a burst, and one for each interval that the window holds
        assert.isAtMost(within, 3 + 4, `from ${start}: ${starts.join(" ")}`)
      }
    })
  )

  fact(
    "nothing of a key starts while it is held, not even what was let in already",
    Effect.gen(function*() {
      const store = yield* JobStore
      const due = yield* Memory.Due
      yield* store.limits.set({ name: "api", permits: 5, rate: { units: 10, perMs: 1000, burst: 10 } })
      yield* store.enqueue(
        Array.from({ length: 3 }, () => newJob("hold", { limit: { name: "api", key: "k", strict: false } }))
      )
      assert.strictEqual(yield* due.claimable("hold"), 3)
      yield* store.limits.hold("api", "k", 60_000)
      const member = yield* join
      assert.deepStrictEqual(yield* store.claim(member, "hold", 9), [])
      yield* TestClock.adjust("59 seconds")
      yield* store.promote(9)
      assert.deepStrictEqual(yield* store.claim(member, "hold", 9), [])
      yield* TestClock.adjust("1 second")
      yield* store.promote(9)
      assert.strictEqual((yield* store.claim(member, "hold", 9)).length, 3)
    })
  )

  fact(
    "D.9 a wish to cancel comes again with every renewal until it is acknowledged",
    Effect.gen(function*() {
      const store = yield* JobStore
      yield* store.enqueue([newJob("mail")])
      const member = yield* join
      const [job] = yield* store.claim(member, "mail", 1)
      yield* store.cancel([job!.id], { actor: "ada", reason: null })
      assert.strictEqual((yield* member.mail).length, 1)
      const again = yield* Effect.forkChild(member.mail)
      yield* TestClock.adjust("4 seconds")
      assert.isUndefined(again.pollUnsafe())
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(again)).length, 1)
      yield* member.acknowledge([job!.id])
      const none = yield* Effect.forkChild(member.mail)
      yield* TestClock.adjust("1 minute")
      assert.isUndefined(none.pollUnsafe())
      yield* Fiber.interrupt(none)
    })
  )

  fact(
    "while a transaction is open others wait, and one whose process is gone is rolled back after ten seconds",
    Effect.gen(function*() {
      const store = yield* JobStore
      const inside = yield* Deferred.make<JobId>()
      const stuck = yield* store.transaction(
        Effect.flatMap(
          store.enqueue([newJob("stuck")]),
          ([made]) =>
            Effect.andThen(Deferred.succeed(inside, made!.id), Effect.andThen(Effect.sleep("1 minute"), store.queues))
        )
      ).pipe(Effect.exit, Effect.forkChild)
      const id = yield* Deferred.await(inside)
      const other = yield* Effect.forkChild(store.get(id))
      yield* TestClock.adjust("9 seconds")
      assert.isUndefined(other.pollUnsafe())
      yield* TestClock.adjust("1 second")
      assert.isNull(yield* Fiber.join(other))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* Fiber.join(stuck))._tag, "Failure")
    })
  )

  fact(
    "a transaction that is interrupted leaves nothing: claims, keys, limits and edges are as they were",
    Effect.gen(function*() {
      const store = yield* JobStore
      const member = yield* join
      yield* store.limits.set({ name: "one", permits: 1, rate: null })
      const limit = { name: "one", key: "k", strict: false }
      const unique = { key: "a".repeat(64), withinMs: null, until: "done", onConflict: "replace" } as const
      const made = yield* store.enqueue([
        newJob("undo", { limit, payload: "first", priority: -1 }),
        newJob("undo", { unique, payload: "keyed" }),
        newJob("undo", { after: [{ parent: 1, on: "completed" }], payload: "child" })
      ])
      const seen = Effect.all([store.getMany(made.map(({ id }) => id)), store.queues])
      const before = yield* seen
      const changing = yield* store.transaction(Effect.gen(function*() {
        const jobs = yield* store.claim(member, "undo", 2)
        yield* store.finish(member, jobs.map((job) => ending(job, "completed")))
        yield* store.enqueue([newJob("undo", { unique }), newJob("undo", { limit }), newJob("other")])
        yield* store.pause("undo", true)
        return yield* Effect.never
      })).pipe(Effect.forkChild({ startImmediately: true }))
      yield* Fiber.interrupt(changing)
      const [jobs, queues] = yield* seen
      assert.deepStrictEqual(jobs, before[0])
      assert.deepStrictEqual(queues.filter(({ name }) => name === "undo"), before[1])
      const claimed = yield* store.claim(member, "undo", 9)
      assert.deepStrictEqual(claimed.map(({ epoch, payload }) => [payload, epoch]), [["first", 1], ["keyed", 1]])
      assert.deepStrictEqual(yield* store.claim(member, "other", 9), [])
      yield* store.finish(member, claimed.map((job) => ending(job, "completed")))
      yield* store.promote(9)
      assert.deepStrictEqual((yield* store.claim(member, "undo", 9)).map(({ payload }) => payload), ["child"])
    })
  )
})

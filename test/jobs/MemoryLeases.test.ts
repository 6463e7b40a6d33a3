import { assert, layer as withLayer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as Supervisor from "ostinato/core/Supervisor"
import { JobStore } from "ostinato/jobs/JobStore"
import * as Memory from "ostinato/jobs/stores/Memory"
import { newJob } from "../../src/testing/internal/jobStore/newJob.ts"

const join = Effect.flatMap(JobStore, (store) => store.join({ node: "a", info: {}, serves: {} }))

withLayer(Layer.provide(Memory.layer, Supervisor.layer))("leases of members in memory", (it) => {
  it.effect("a member that renews its lease keeps its job for an hour", () =>
    Effect.gen(function*() {
      const store = yield* JobStore
      yield* store.enqueue([newJob("long")])
      const member = yield* join
      const [job] = yield* store.claim(member, "long", 1)
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* store.rescue, [])
      assert.strictEqual((yield* store.get(job!.id))?.state, "running")
    }))

  it.effect("a member whose fibers are gone is dead after 30 s, not before, and another one gets its job", () =>
    Effect.gen(function*() {
      const store = yield* JobStore
      yield* store.enqueue([newJob("gone")])
      const scope = yield* Scope.make()
      const member = yield* Scope.provide(join, scope)
      const [job] = yield* store.claim(member, "gone", 1)
      const lost = yield* Effect.forkChild(member.lost)
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust("21 seconds")
      assert.isUndefined(lost.pollUnsafe())
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(lost)
      yield* TestClock.adjust("7 seconds")
      assert.deepStrictEqual(yield* store.rescue, [])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* store.claim(member, "gone", 1), [])
      assert.deepInclude(yield* store.rescue, { id: job!.id, queue: "gone", fate: "available" })
      const [again] = yield* store.claim(yield* join, "gone", 1)
      assert.deepInclude(again, { id: job!.id, attempt: 2, lost: 1, epoch: 3 })
      const end = {
        outcome: "completed",
        delayMs: 0,
        output: 1,
        failure: null,
        note: null,
        report: null,
        logs: []
      } as const
      assert.deepStrictEqual(Array.from(yield* store.finish(member, [{ ...end, job: job! }])), [job!.id])
    }))
})

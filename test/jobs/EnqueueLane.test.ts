/** Calls that are sent together, when the store is closed. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import { Supervisor } from "ostinato/core/Supervisor"
import * as EnqueueLane from "../../src/jobs/internal/postgres/EnqueueLane.ts"
import { settle, store } from "./Working.ts"

/** A lane that answers each row with itself as soon as `go` says so; and what was sent. */
const lane = Effect.fnUntraced(function*(go: Effect.Effect<void>) {
  const sent: Array<ReadonlyArray<number>> = []
  const scope = yield* Scope.make()
  const { submit } = yield* EnqueueLane.make<number, number, string>({
    name: "lane",
    supervisor: yield* Supervisor,
    send: (rows) => Effect.as(Effect.andThen(Effect.sync(() => sent.push(rows)), go), Result.succeed(rows)),
    alone: (rows) => Effect.succeed(rows),
    closed: "closed",
    cutOff: "cut off"
  }).pipe(Scope.provide(scope))
  return { submit, sent, close: Scope.close(scope, Exit.void) }
})

describe("calls that are sent together", () => {
  it.effect("get each their own answer, in the order of the call", () =>
    Effect.gen(function*() {
      const { sent, submit } = yield* lane(Effect.void)
      const answers = yield* Effect.forEach([[1, 2], [3], [4, 5]], submit, { concurrency: "unbounded" })
      assert.deepStrictEqual(answers, [[1, 2], [3], [4, 5]])
      assert.deepStrictEqual(sent, [[1, 2, 3, 4, 5]])
    }).pipe(Effect.provide(store)))

  it.effect("learn at the end that nothing was sent, or that their jobs may be there", () =>
    Effect.gen(function*() {
      const go = yield* Deferred.make<void>()
      const { close, sent, submit } = yield* lane(Deferred.await(go))
      const calls: Array<Fiber.Fiber<ReadonlyArray<number>, string>> = []
      for (const n of [1, 2, 3]) {
        calls.push(yield* Effect.forkChild(submit([n])))
        yield* settle
      }
      // two are on their way, and the third waits
      assert.deepStrictEqual(sent, [[1], [2]])
      yield* close
      const errors = yield* Effect.forEach(calls, (call) => Effect.flip(Fiber.join(call)))
      assert.deepStrictEqual(errors, ["cut off", "cut off", "closed"])
      assert.strictEqual(yield* Effect.flip(submit([4])), "closed")
    }).pipe(Effect.provide(store)))
})

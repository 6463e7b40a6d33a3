import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { isMainThread } from "node:worker_threads"
import { Pipeline, Task, ThreadError, ThreadPool } from "ostinato"
import { Hold, makeGate, Where } from "../threads/tasks.ts"

describe("Pipeline on threads", () => {
  it.live("S0.21 S0.22 stages run on other threads, the result comes back to this one, and its event loop is free meanwhile", () => {
    const gates = [makeGate(), makeGate(), makeGate()] as const
    let turns = 0
    const seen: Array<number> = []
    const elsewhere = (name: string, gate: typeof gates[number]) =>
      Task.fn(name, { success: Schema.Boolean, error: ThreadError.ThreadError }, () =>
        Effect.gen(function*() {
          const pool = yield* ThreadPool.ThreadPool
          const begun = yield* Deferred.make<void>()
          // the thread stands still until a turn of this loop lets it go: a stage that holds the loop would never end
          yield* Effect.forkChild(
            Effect.promise(async () => {
              await gate.begun(1)
              await new Promise<void>((resolve) => void setImmediate(resolve))
              turns += 1
              gate.open()
            }).pipe(Effect.andThen(Deferred.succeed(begun, undefined)))
          )
          yield* pool.run(Hold, { gate: gate.buffer })
          yield* Deferred.await(begun)
          return (yield* pool.run(Where, {})).isMainThread
        }))
    const here = Task.fn("test.here", { success: Schema.Boolean }, () =>
      Effect.sync(() => {
        seen.push(turns)
        return isMainThread
      }))
    const staged = Pipeline.make("test.threads").pipe(
      Pipeline.stage("first", elsewhere("test.first", gates[0]), { input: () => ({}) }),
      Pipeline.stage("between", here, { input: () => ({}) }),
      Pipeline.stage("second", elsewhere("test.second", gates[1]), { input: () => ({}) }),
      Pipeline.stage("third", elsewhere("test.third", gates[2]), { input: () => ({}) }),
      Pipeline.stage("last", here, { input: () => ({}) })
    )
    return Effect.gen(function*() {
      const value = yield* Task.run(staged, {})
      assert.deepStrictEqual(value, { first: false, between: true, second: false, third: false, last: true })
      assert.deepStrictEqual(seen, [1, 3])
    }).pipe(Effect.provide(ThreadPool.layer()))
  })
})

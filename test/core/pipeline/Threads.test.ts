import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { isMainThread, Worker } from "node:worker_threads"
import { Pipeline, Task } from "ostinato"

describe("Pipeline on threads", () => {
  it.live("S0.21 S0.22 stages run on other threads, the result comes back to this one, and its event loop is free meanwhile", () => {
    let turns = 0
    const seen: Array<number> = []
    const elsewhere = Task.fn(
      "test.elsewhere",
      { success: Schema.Boolean },
      () =>
        Effect.callback<boolean>((resume) => {
          const worker = new Worker(
            `const { isMainThread, parentPort } = require("node:worker_threads")
           parentPort.once("message", () => {
             for (let i = 0; i < 2e7; i++) Math.sqrt(i)
             parentPort.postMessage(isMainThread)
           })`,
            { eval: true }
          )
          worker.once("message", (isMain: boolean) => resume(Effect.succeed(isMain)))
          // the thread works only once this loop has turned: a stage that holds it would never end
          setImmediate(() => {
            turns += 1
            worker.postMessage("begin")
          })
          return Effect.promise(() => worker.terminate())
        })
    )
    const here = Task.fn("test.here", { success: Schema.Boolean }, () =>
      Effect.sync(() => {
        seen.push(turns)
        return isMainThread
      }))
    const staged = Pipeline.make("test.threads").pipe(
      Pipeline.stage("first", elsewhere, { input: () => ({}) }),
      Pipeline.stage("between", here, { input: () => ({}) }),
      Pipeline.stage("second", elsewhere, { input: () => ({}) }),
      Pipeline.stage("last", here, { input: () => ({}) })
    )
    return Effect.gen(function*() {
      const value = yield* Task.run(staged, {})
      assert.deepStrictEqual(value, { first: false, between: true, second: false, last: true })
      assert.deepStrictEqual(seen, [1, 2])
    })
  })
})

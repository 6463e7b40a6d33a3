import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { threadId } from "node:worker_threads"
import { ThreadPool } from "ostinato"
import * as tasks from "./tasks.ts"

describe("ThreadPool.run", () => {
  it.live("S0.3 S1.6 S1.29 runs on a thread that is not this one; two by default, and as many as it is told", () =>
    Effect.scoped(Effect.gen(function*() {
      const pool = yield* ThreadPool.make()
      const seen = yield* pool.run(tasks.Where, {})
      assert.isFalse(seen.isMainThread)
      assert.notStrictEqual(seen.threadId, threadId)
      assert.strictEqual((yield* pool.status).capacity, 2)
      assert.strictEqual((yield* (yield* ThreadPool.make({ capacity: 5 })).status).capacity, 5)
    })))
})

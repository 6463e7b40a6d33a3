import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { TaskRun } from "ostinato"

describe("TaskRun", () => {
  it.effect("gives ids in ascending order, also within a millisecond", () =>
    Effect.gen(function*() {
      const next = yield* TaskRun.NextRunId
      const ids = yield* Effect.replicateEffect(next, 1000)
      assert.deepStrictEqual(ids, [...ids].sort())
      assert.strictEqual(new Set(ids).size, 1000)
    }))
})

import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as SqlErrors from "effect/sql/SqlError"
import * as TestClock from "effect/testing/TestClock"
import { RunId } from "../../../src/core/TaskRun.ts"
import * as LateEnds from "../../../src/store/internal/LateEnds.ts"
import * as Outage from "../../../src/store/Outage.ts"
import { ended as end } from "../../integration/store/aRun.ts"

const id = (n: number) => RunId.make(`00000000-0000-7000-8000-${String(n).padStart(12, "0")}`)

const away = new SqlErrors.SqlError({
  reason: new SqlErrors.ConnectionError({ cause: new Error("connect ECONNREFUSED"), message: "Failed to connect" })
})

/** A database that is away until it is said to be back, and refuses some ends for ever. */
const database = Effect.gen(function*() {
  const written: Array<RunId> = []
  const refused = new Set<RunId>()
  let isAway = true
  let attempts = 0
  const late = yield* LateEnds.make(
    (run) =>
      Effect.suspend((): Effect.Effect<boolean, SqlErrors.SqlError | "refused"> => {
        attempts += 1
        if (isAway) return Effect.fail(away)
        if (refused.has(run)) return Effect.fail("refused")
        written.push(run)
        return Effect.succeed(true)
      }),
    Outage.isOutage
  )
  yield* Effect.forkChild(late.run, { startImmediately: true })
  return { late, written, refused, attempts: () => attempts, back: () => isAway = false }
})

describe("LateEnds", () => {
  it.effect("S1.23 what an outage of hours kept from being written is written once when it is over, and is then no news", () =>
    Effect.gen(function*() {
      const { attempts, back, late, written } = yield* database
      for (const n of [1, 2, 3]) yield* Effect.flip(late.attempt(id(n), end))
      assert.isTrue(late.has(id(2)))
      yield* TestClock.adjust("3 hours")
      const tried = attempts()
      assert.isBelow(tried, 3 * 3600 / 24 + 20, "with back-off, not all the time")
      back()
      yield* TestClock.adjust("40 seconds")
      assert.deepStrictEqual(written, [id(1), id(2), id(3)])
      assert.isFalse(late.has(id(2)))
      assert.isTrue(yield* late.attempt(id(2), end), "whoever still tries learns that it is done")
      assert.strictEqual(written.length, 3)
    }))

  it.effect("S1.23 one end that can never be written does not keep the others", () =>
    Effect.gen(function*() {
      const { back, late, refused, written } = yield* database
      for (const n of [1, 2, 3]) yield* Effect.flip(late.attempt(id(n), end))
      refused.add(id(1))
      back()
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(written, [id(2), id(3)])
      assert.isFalse(late.has(id(1)))
    }))

  it.effect("what fails for another reason is not kept", () =>
    Effect.gen(function*() {
      const { back, late, refused } = yield* database
      back()
      refused.add(id(1))
      yield* Effect.flip(late.attempt(id(1), end))
      assert.isFalse(late.has(id(1)))
    }))

  it.effect("at most 10,000 are kept, of more the newest", () =>
    Effect.gen(function*() {
      const { late } = yield* database
      for (let n = 0; n <= 10_000; n++) yield* Effect.flip(late.attempt(id(n), end))
      assert.deepStrictEqual([late.has(id(0)), late.has(id(1)), late.has(id(10_000))], [false, true, true])
    }))
})

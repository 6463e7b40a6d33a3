import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import * as Runtime from "effect/Runtime"
import * as SqlErrors from "effect/sql/SqlError"
import * as TestClock from "effect/testing/TestClock"
import * as Outage from "../../src/store/Outage.ts"

const said = (code: string, message: string) =>
  new SqlErrors.SqlError({
    reason: new SqlErrors.UnknownError({ cause: Object.assign(new Error(message), { code }), message: "Query failed" })
  })

const refused = new SqlErrors.SqlError({
  reason: new SqlErrors.ConnectionError({ cause: new Error("connect ECONNREFUSED"), message: "Failed to connect" })
})

describe("Outage", () => {
  it.effect("S1.23 a database that is away is a typed error which says what may have happened; others stay as they are", () =>
    Effect.gen(function*() {
      const restart = yield* Effect.flip(Outage.typed(Effect.fail(said("57P01", "terminating connection"))))
      assert.instanceOf(restart, Outage.DatabaseAway)
      assert.strictEqual(
        restart.message,
        "the database is away (terminating connection): nothing was changed by this statement, try again later"
      )
      const gone = yield* Effect.flip(Outage.typed(Effect.fail(refused)))
      assert.include(gone.message, "may or may not have been carried out")
      assert.strictEqual(Runtime.getErrorExitCode(gone), 69)
      for (const error of [said("23505", "duplicate key"), said("40P01", "deadlock"), new Error("other")]) {
        assert.strictEqual<unknown>(yield* Effect.flip(Outage.typed(Effect.fail(error))), error)
      }
    }))

  it.effect("S1.23 waits 1, 2, 4 … and at most 30 seconds, jittered, and goes on when the database is back", () =>
    Effect.gen(function*() {
      const tries: Array<number> = []
      const query = Effect.flatMap(Clock.currentTimeMillis, (now) => {
        tries.push(now)
        return now < 600_000 ? Effect.fail(refused) : Effect.succeed("back")
      })
      const fiber = yield* Effect.forkChild(Outage.ride(query), { startImmediately: true })
      yield* TestClock.adjust("20 minutes")
      assert.strictEqual(yield* Fiber.join(fiber), "back")
      const waits = tries.slice(1).map((at, index) => (at - (tries[index] ?? 0)) / 1000)
      const nominal = waits.map((_, index) => Math.min(30, 2 ** index))
      waits.forEach((wait, index) => {
        const wanted = nominal[index] ?? 0
        assert.isTrue(wait >= wanted * 0.8 - 0.001 && wait <= wanted * 1.2 + 0.001, `${index}: ${wait} s`)
      })
      assert.isAbove(new Set(waits.slice(5)).size, 1, "jittered")
    }))

  it.effect("S1.23 gives up after as long as was said, and at once where the database is merely unwilling", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(Effect.result(Outage.ride(Effect.fail(refused), { during: "1 minute" })))
      yield* TestClock.adjust("2 minutes")
      const given = yield* Fiber.join(fiber)
      assert.isTrue(Result.isFailure(given) && given.failure instanceof Outage.DatabaseAway)
      const wrong = said("42703", "column does not exist")
      assert.strictEqual(yield* Effect.flip(Outage.ride(Effect.fail(wrong))), wrong)
    }))
})

import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/testing/TestClock"
import * as LeaseBeat from "../../../src/store/internal/LeaseBeat.ts"

const node = (name: string, said: Array<string>, isAway: () => boolean) => {
  const say = (what: string) =>
    Effect.suspend(() => isAway() ? Effect.fail("away") : Effect.sync(() => void said.push(`${name} ${what}`)))
  return LeaseBeat.run({ renew: say("renews"), sweep: say("sweeps"), every: "5 seconds" }).pipe(
    Effect.retry(Schedule.spaced("5 seconds")),
    Effect.forkChild({ startImmediately: true })
  )
}

describe("LeaseBeat", () => {
  it.effect("S1.23 after an outage every process renews what it holds before any of them sweeps", () =>
    Effect.gen(function*() {
      let away = false
      const said: Array<string> = []
      for (const name of ["one", "two", "three"]) {
        yield* node(name, said, () => away)
        yield* TestClock.adjust("1700 millis")
      }
      yield* TestClock.adjust("1 minute")
      away = true
      yield* TestClock.adjust("10 minutes")
      said.length = 0
      away = false
      yield* TestClock.adjust("1 minute")
      const firstSweep = said.findIndex((line) => line.endsWith("sweeps"))
      assert.isAbove(firstSweep, 0)
      const renewed = new Set(said.slice(0, firstSweep).map((line) => line.split(" ")[0]))
      assert.strictEqual(renewed.size, 3, said.join(", "))
    }))

  it.effect("beats every five seconds: a renewal, then a sweep", () =>
    Effect.gen(function*() {
      const said: Array<string> = []
      yield* node("one", said, () => false)
      yield* TestClock.adjust("15 seconds")
      assert.deepStrictEqual(said, ["one renews", "one renews", "one renews", "one sweeps", "one renews", "one sweeps"])
    }))
})

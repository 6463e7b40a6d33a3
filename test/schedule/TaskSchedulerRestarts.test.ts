import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import { type PeriodicTask, Timetable } from "ostinato/schedule"
import { make, process, quiet, stores } from "./OneSchedule.ts"

describe("TaskScheduler", () => {
  describe("restarts", () => {
    const days = (starts: ReadonlyArray<number>) => starts.map((second) => Math.round(second / 864) / 100)

    it.effect("S0.50 loses and doubles nothing when the process restarts before a tick is due", () => {
      const starts: Array<number> = []
      const one = make({ every: Timetable.every("14 days") }, starts)
      return Effect.gen(function*() {
        yield* process(one, 9)
        yield* process(one, 6)
        assert.deepStrictEqual(days(starts), [14])
        yield* process(one, 13.5)
        assert.deepStrictEqual(days(starts), [14, 28])
      }).pipe(Effect.provide([stores, quiet]))
    })

    it.effect("S0.50 catches up at once after a long absence, then waits a whole interval: anchor lastRun", () => {
      const starts: Array<number> = []
      const one = make({ every: Timetable.every("14 days") }, starts)
      return Effect.gen(function*() {
        yield* process(one, 1)
        yield* TestClock.adjust("19 days")
        yield* process(one, 15)
        assert.deepStrictEqual(days(starts), [20, 34])
      }).pipe(Effect.provide([stores, quiet]))
    })

    it.effect("S0.50 catches up at once after a long absence, then keeps its own days: anchor fixed", () => {
      const starts: Array<number> = []
      const one = make({ every: Timetable.every("14 days", { anchor: "fixed" }) }, starts)
      return Effect.gen(function*() {
        yield* process(one, 1)
        yield* TestClock.adjust("19 days")
        yield* process(one, 15)
        assert.deepStrictEqual(days(starts), [20, 28])
      }).pipe(Effect.provide([stores, quiet]))
    })

    it.effect("S0.50 S1.O1 runs a weekly schedule every week in a process that is restarted every day", () => {
      const starts: Array<number> = []
      const one = make({ every: Timetable.every("7 days") }, starts)
      return Effect.gen(function*() {
        for (let day = 0; day < 30; day++) yield* process(one, 1)
        assert.deepStrictEqual(days(starts), [7, 14, 21, 28])
      }).pipe(Effect.provide([stores, quiet]))
    })

    it.effect("S0.50 keeps intervals longer than a timer can hold", () => {
      const starts: Array<number> = []
      return Effect.gen(function*() {
        yield* process(make({ every: Timetable.every("60 days") }, starts), 121)
        assert.deepStrictEqual(days(starts), [60, 120])
      }).pipe(Effect.provide([stores, quiet]))
    })

    const policies: ReadonlyArray<readonly [PeriodicTask.Missed, number]> = [["last", 1], [{ all: 10 }, 3], ["skip", 0]]
    for (const [missed, runs] of policies) {
      it.effect(`S1.41 makes ${runs} catch-up runs after three missed intervals: ${JSON.stringify(missed)}`, () => {
        const starts: Array<number> = []
        const one = make({ every: Timetable.every("1 day"), missed }, starts)
        return Effect.gen(function*() {
          yield* process(one, 0.5)
          yield* TestClock.adjust("3 days")
          yield* process(one, 0.25)
          assert.strictEqual(starts.length, runs)
        }).pipe(Effect.provide([stores, quiet]))
      })
    }

    it.effect("makes one run at each start where that is asked for, and the timetable does not move", () => {
      const starts: Array<number> = []
      const one = make({ every: Timetable.every("14 days"), runOnStart: true }, starts)
      return Effect.gen(function*() {
        yield* process(one, 9)
        yield* process(one, 6)
        yield* TestClock.adjust("20 days")
        yield* process(one, 1)
        assert.deepStrictEqual(days(starts), [0, 9, 14, 35])
      }).pipe(Effect.provide([stores, quiet]))
    })
  })
})

import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Timetable } from "ostinato/schedule"
import { make, quiet, start, stop, stores } from "../../schedule/OneSchedule.ts"

/** Enough for what was forked to begin its sleeps. */
const turns = Effect.repeat(Effect.yieldNow, { times: 50 })

describe("TaskScheduler", () => {
  it.live("S0.52 leaves no timer of the process behind", () => {
    const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length
    return Effect.gen(function*() {
      const cycle = Effect.andThen(start, Effect.andThen(turns, stop))
      yield* cycle
      const before = timers()
      for (let i = 0; i < 100; i++) yield* cycle
      assert.isAtMost(timers(), before)
      yield* start
      yield* turns
      assert.isAbove(timers(), before)
    }).pipe(
      Effect.provide(make({ every: Timetable.every("10 seconds"), runOnStart: true })),
      Effect.provide([stores, quiet])
    )
  })
})

import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as TestClock from "effect/testing/TestClock"
import { type PeriodicTask, ScheduleStore, Timetable } from "ostinato/schedule"
import { make, quiet, recorded, start, stopNow, stores } from "./OneSchedule.ts"

/** The value of a counter of the schedule. */
const counter = (id: string) =>
  Effect.map(Metric.snapshot, (metrics) => {
    const found = metrics.find((metric) => metric.id === id && metric.attributes?.["schedule"] === "test.schedule")
    return found?.type === "Counter" ? Number(found.state.count) : 0
  })

/** How many pieces of work were live at once, at most. */
const counted = (work: Effect.Effect<void>) => {
  const live = { now: 0, most: 0 }
  const body = Effect.acquireUseRelease(
    Effect.sync(() => {
      live.now += 1
      live.most = Math.max(live.most, live.now)
    }),
    () => work,
    () => Effect.sync(() => void (live.now -= 1))
  )
  return { live, body }
}

describe("overlap", () => {
  // ticks at 10, 20, 30 … 60 s, of which each runs 24 s
  const table: ReadonlyArray<{
    readonly overlap: PeriodicTask.Overlap | undefined
    readonly starts: ReadonlyArray<number>
    readonly skipped: number
    readonly most: number
    readonly interrupted: number
  }> = [
    { overlap: undefined, starts: [10, 40], skipped: 4, most: 1, interrupted: 0 },
    { overlap: "skip", starts: [10, 40], skipped: 4, most: 1, interrupted: 0 },
    { overlap: "queue-one", starts: [10, 34, 58], skipped: 2, most: 1, interrupted: 0 },
    { overlap: { allow: 2 }, starts: [10, 20, 40, 50], skipped: 2, most: 2, interrupted: 0 },
    { overlap: { allow: 3 }, starts: [10, 20, 30, 40, 50, 60], skipped: 0, most: 3, interrupted: 0 },
    { overlap: "replace", starts: [10, 20, 30, 40, 50, 60], skipped: 0, most: 1, interrupted: 5 }
  ]
  for (const { interrupted, most, overlap, skipped, starts: expected } of table) {
    it.effect(`S0.9 ${JSON.stringify(overlap) ?? "by default"}: starts at ${expected.join(", ")} s, ${skipped} ticks skipped`, () => {
      const starts: Array<number> = []
      const { body, live } = counted(Effect.sleep("24 seconds"))
      return Effect.gen(function*() {
        const before = yield* counter("ostinato_schedule_skipped_total")
        yield* start
        yield* TestClock.adjust("61 seconds")
        assert.deepStrictEqual(starts, expected)
        assert.strictEqual((yield* counter("ostinato_schedule_skipped_total")) - before, skipped)
        assert.strictEqual(live.most, most)
        const statuses = (yield* recorded).map((run) => run.status)
        assert.strictEqual(statuses.filter((status) => status === "interrupted").length, interrupted)
        yield* stopNow
      }).pipe(
        Effect.provide(make({
          every: Timetable.every("10 seconds"),
          body,
          ...(overlap === undefined ? {} : { overlap })
        }, starts)),
        Effect.provide([stores, quiet])
      )
    })
  }

  it.effect("S0.9 replace waits for the finalizers of the earlier run, and no longer than its grace", () => {
    const starts: Array<number> = []
    const ends: Array<number> = []
    const noted = Effect.map(Clock.currentTimeMillis, (now) => void ends.push(now / 1000))
    const bodies = [
      Effect.ensuring(Effect.never, Effect.andThen(Effect.sleep("2 seconds"), noted)),
      Effect.uninterruptible(Effect.sleep("1 hour")),
      Effect.void
    ]
    return Effect.gen(function*() {
      yield* start
      yield* TestClock.adjust("31 seconds")
      // the first one takes 2 s to end, the second one ignores its interruption and is let go after 3 s
      assert.deepStrictEqual([starts, ends], [[10, 22], [22]])
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(starts, [10, 22, 33])
      const store = yield* ScheduleStore.ScheduleStore
      const ticks = yield* store.ticks("test.schedule", 10)
      assert.deepStrictEqual(ticks.map(({ detail, outcome }) => [outcome, detail]), [
        ["completed", null],
        ["interrupted", "replaced by a newer tick"],
        ["interrupted", "replaced by a newer tick"]
      ])
      yield* TestClock.adjust("1 hour")
    }).pipe(
      Effect.provide(make({
        every: Timetable.every("10 seconds"),
        body: Effect.suspend(() => bodies.shift() ?? Effect.void),
        overlap: "replace"
      }, starts)),
      Effect.provide([stores, quiet])
    )
  })

  it.effect("S1.41 counts the ticks that no run made up for", () => {
    const starts: Array<number> = []
    return Effect.gen(function*() {
      const before = yield* counter("ostinato_schedule_missed_total")
      const process = Effect.provide(
        Effect.andThen(start, TestClock.adjust("12 hours")),
        make({ every: Timetable.every("1 day"), missed: { all: 2 } }, starts),
        { local: true }
      )
      yield* process
      yield* TestClock.adjust("5 days")
      yield* process
      assert.strictEqual(starts.length, 2)
      assert.strictEqual((yield* counter("ostinato_schedule_missed_total")) - before, 3)
    }).pipe(Effect.provide([stores, quiet]))
  })
})

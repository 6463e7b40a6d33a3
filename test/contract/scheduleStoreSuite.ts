/** What every driver of the schedule store promises. */
import { assert, layer as withLayer } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { NextRunId } from "ostinato/core/TaskRun"
import { type Advance, type Schedule, ScheduleStore } from "ostinato/schedule/ScheduleStore"
import * as Timetable from "ostinato/schedule/Timetable"

const hourly = Timetable.every("1 hour")

const register = Effect.fnUntraced(function*(timetable = hourly) {
  const store = yield* ScheduleStore
  const name = `suite.${yield* Effect.flatten(NextRunId)}`
  return yield* store.register({ name, task: "suite.task", timetable })
})

const keep = (schedule: Schedule): Advance => ({
  fire: [],
  skip: [],
  reason: "",
  nextTick: schedule.nextTick,
  atOnce: 1
})

const minutesAfter = (at: DateTime.Utc, ...minutes: ReadonlyArray<number>) =>
  minutes.map((minutes) => DateTime.add(at, { minutes }))

const millis = (ticks: ReadonlyArray<{ readonly tick: DateTime.Utc }>) =>
  ticks.map(({ tick }) => DateTime.toEpochMillis(tick))

export const scheduleStoreSuite = (driver: string, layer: Layer.Layer<ScheduleStore, unknown>) =>
  withLayer(layer, { excludeTestServices: true })(`ScheduleStore on ${driver}`, (it) => {
    const fact = <E>(name: string, test: Effect.Effect<void, E, ScheduleStore>) => it.effect(name, () => test)

    fact(
      "S0.54 puts the first tick of a new schedule one interval from now",
      Effect.gen(function*() {
        const store = yield* ScheduleStore
        const { name, nextTick, open, lastTick } = yield* register()
        assert.strictEqual(open, 0)
        assert.isNull(lastTick)
        const { fired, skipped, wait } = yield* store.advance(name, (schedule, now) => {
          assert.strictEqual(DateTime.toEpochMillis(schedule.nextTick), DateTime.toEpochMillis(nextTick))
          assert.isBelow(DateTime.toEpochMillis(now), DateTime.toEpochMillis(nextTick))
          return keep(schedule)
        })
        assert.deepStrictEqual([fired, skipped], [[], 0])
        assert.isTrue(Duration.isLessThanOrEqualTo(wait, Duration.hours(1)))
        assert.isTrue(Duration.isGreaterThan(wait, Duration.minutes(55)))
      })
    )

    fact(
      "S0.54 keeps the place of a schedule that is registered again",
      Effect.gen(function*() {
        const store = yield* ScheduleStore
        const first = yield* register()
        const again = yield* store.register({ name: first.name, task: "suite.renamed", timetable: hourly })
        assert.strictEqual(DateTime.toEpochMillis(again.nextTick), DateTime.toEpochMillis(first.nextTick))
        const listed = (yield* store.list).find((schedule) => schedule.name === first.name)
        assert.strictEqual(listed?.task, "suite.renamed")
      })
    )

    fact(
      "S0.54 moves the next tick to one new interval after the last when the timetable changed",
      Effect.gen(function*() {
        const store = yield* ScheduleStore
        const first = yield* register()
        const { name, task } = first
        const changed = yield* store.register({ name, task, timetable: Timetable.every("3 hours") })
        const hours = (DateTime.toEpochMillis(changed.nextTick) - DateTime.toEpochMillis(first.nextTick)) / 3_600_000
        assert.strictEqual(hours, 2)
        const shortened = yield* store.register({ name, task, timetable: Timetable.every("1 millis") })
        assert.isBelow(DateTime.toEpochMillis(shortened.nextTick), DateTime.toEpochMillis(first.nextTick))
      })
    )

    fact(
      "S0.54 S1.21 gives a tick to one of many callers that ask at once",
      Effect.gen(function*() {
        const store = yield* ScheduleStore
        const { name, nextTick } = yield* register()
        const answers = yield* Effect.forEach(
          Array.from({ length: 16 }),
          () => store.advance(name, (schedule) => ({ ...keep(schedule), fire: minutesAfter(nextTick, 0, 1, 2) })),
          { concurrency: "unbounded" }
        )
        const fired = answers.flatMap((answer) => millis(answer.fired))
        assert.deepStrictEqual(fired, millis(minutesAfter(nextTick, 0, 1, 2).map((tick) => ({ tick }))))
      })
    )

    fact(
      "S0.54 records skipped ticks with their reason, and never fires them later",
      Effect.gen(function*() {
        const store = yield* ScheduleStore
        const { name, nextTick } = yield* register()
        const [tick] = minutesAfter(nextTick, 0)
        const answer = yield* store.advance(name, (schedule) => ({
          ...keep(schedule),
          skip: [tick ?? nextTick],
          reason: "overlap"
        }))
        assert.deepStrictEqual([answer.fired.length, answer.skipped], [0, 1])
        const again = yield* store.advance(name, (schedule) => ({ ...keep(schedule), fire: [tick ?? nextTick] }))
        assert.deepStrictEqual(again.fired, [])
        const [row] = yield* store.ticks(name, 10)
        assert.deepStrictEqual([row?.outcome, row?.detail], ["skipped", "overlap"])
      })
    )

    fact(
      "S0.54 counts a tick as open until it is finished, and finishes it once",
      Effect.gen(function*() {
        const store = yield* ScheduleStore
        const { name, nextTick } = yield* register()
        const { fired } = yield* store.advance(name, (schedule) => ({
          ...keep(schedule),
          fire: minutesAfter(nextTick, 0, 1)
        }))
        const open = Effect.map(
          store.list,
          (schedules) => schedules.find((schedule) => schedule.name === name)?.open
        )
        assert.strictEqual(yield* open, 2)
        yield* store.renew(fired)
        for (const key of fired) yield* store.finish(key, "failed", "a\u0000b")
        assert.strictEqual(yield* open, 0)
        for (const key of fired) yield* store.finish(key, "completed", null)
        assert.deepStrictEqual((yield* store.ticks(name, 10)).map((tick) => tick.outcome), ["failed", "failed"])
        yield* store.renew(fired)
        assert.strictEqual(yield* open, 0)
      })
    )

    fact(
      "S0.54 lists ticks newest first and remembers the newest as last",
      Effect.gen(function*() {
        const store = yield* ScheduleStore
        const { name, nextTick } = yield* register()
        const ticks = minutesAfter(nextTick, 3, 1, 2)
        yield* store.advance(
          name,
          () => ({ fire: ticks, skip: [], reason: "", nextTick: DateTime.add(nextTick, { hours: 1 }), atOnce: 1 })
        )
        const sorted = millis(minutesAfter(nextTick, 3, 2, 1).map((tick) => ({ tick })))
        assert.deepStrictEqual(millis(yield* store.ticks(name, 10)), sorted)
        assert.deepStrictEqual(millis(yield* store.ticks(name, 1)), sorted.slice(0, 1))
        const schedule = (yield* store.list).find((schedule) => schedule.name === name)
        assert.strictEqual(schedule?.lastTick?.epochMilliseconds, sorted[0])
        assert.strictEqual(
          schedule?.nextTick.epochMilliseconds,
          DateTime.toEpochMillis(nextTick) + 3_600_000
        )
      })
    )

    fact(
      "S0.54 refuses to decide on a schedule that was never registered",
      Effect.gen(function*() {
        const store = yield* ScheduleStore
        const error = yield* Effect.flip(store.advance("suite.unknown", keep))
        assert.strictEqual(error._tag, "ScheduleStoreUnavailable")
        assert.include(error.message, "never registered")
      })
    )

    fact(
      "S0.54 writes nothing when the decision throws",
      Effect.gen(function*() {
        const store = yield* ScheduleStore
        const { name } = yield* register()
        const exit = yield* Effect.exit(store.advance(name, () => {
          throw new Error("no decision")
        }))
        assert.strictEqual(exit._tag, "Failure")
        assert.deepStrictEqual(yield* store.ticks(name, 10), [])
      })
    )
  })

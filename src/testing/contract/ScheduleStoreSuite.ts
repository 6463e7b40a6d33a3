/**
 * What every driver of the schedule store promises, as tests: run it against a driver of your own. Needs `@effect/vitest`.
 */
import { assert, layer as withLayer } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import { ScheduleStore } from "../../schedule/ScheduleStore.ts"
import * as Timetable from "../../schedule/Timetable.ts"
import {
  change,
  fire,
  Full,
  keep,
  millis,
  minutesAfter,
  named,
  outcomes,
  register,
  unfinished
} from "../internal/scheduleChange.ts"

/**
 * Adds the tests of one driver to the file that calls this. They run by the real clock, and expect a store of their own.
 *
 * @category suites
 */
export const scheduleStoreSuite = (driver: string, layer: Layer.Layer<ScheduleStore, unknown>) =>
  withLayer(layer, { excludeTestServices: true })(`ScheduleStore on ${driver}`, (it) => {
    const fact = <E>(name: string, test: Effect.Effect<void, E, ScheduleStore>) => it.effect(name, () => test)

    fact(
      "S0.54 puts the first tick of a new schedule one interval from now",
      Effect.gen(function*() {
        const store = yield* ScheduleStore
        const { name, nextTick, schedule } = yield* register()
        assert.deepInclude(schedule, {
          open: 0,
          waiting: 0,
          lastTick: null,
          paused: false,
          orphaned: false,
          revision: 1
        })
        const { skipped, started, wait } = yield* store.advance(
          name,
          change(({ now, schedule, unfinished }) => {
            assert.deepStrictEqual(schedule.nextTick, nextTick)
            assert.isBelow(DateTime.toEpochMillis(now), DateTime.toEpochMillis(nextTick))
            assert.deepStrictEqual(unfinished, [])
            return {}
          })
        )
        assert.deepStrictEqual([started, skipped], [[], 0])
        assert.isTrue(Duration.isLessThanOrEqualTo(wait, Duration.hours(1)))
        assert.isTrue(Duration.isGreaterThan(wait, Duration.minutes(55)))
      })
    )

    fact(
      "S0.54 keeps the place of a schedule that is registered again, and counts what changed",
      Effect.gen(function*() {
        const store = yield* ScheduleStore
        const first = yield* register()
        const same = yield* store.register(named(first.name))
        assert.deepStrictEqual([same.nextTick, same.revision], [first.nextTick, 1])
        const policy = { overlap: { allow: 2 }, missed: "skip", jitterMs: 5 } as const
        const again = yield* store.register(named(first.name, { task: "suite.renamed", policy }))
        assert.deepStrictEqual([again.nextTick, again.revision], [first.nextTick, 2])
        const listed = (yield* store.list).find((schedule) => schedule.name === first.name)
        assert.deepStrictEqual([listed?.task, listed?.policy], ["suite.renamed", policy])
      })
    )

    fact(
      "S0.54 D.7 moves the next tick to one new interval after the last when the timetable changed",
      Effect.gen(function*() {
        const store = yield* ScheduleStore
        const { name, nextTick } = yield* register()
        const changed = yield* store.register(named(name, { timetable: Timetable.every("3 hours") }))
        assert.deepStrictEqual(changed.nextTick, DateTime.add(nextTick, { hours: 2 }))
        const shortened = yield* store.register(named(name, { timetable: Timetable.every("1 millis") }))
        assert.isBelow(DateTime.toEpochMillis(shortened.nextTick ?? nextTick), DateTime.toEpochMillis(nextTick))
      })
    )

    fact(
      "S0.54 D.7 keeps every kind of timetable, with its place",
      Effect.gen(function*() {
        const store = yield* ScheduleStore
        const kinds = [
          Timetable.every("1 day", { anchor: "fixed" }),
          Timetable.cronUnsafe("0 2 * * *", { timeZone: "Europe/Berlin" }),
          Timetable.spaced("10 seconds"),
          Timetable.fromSchedule(Schedule.exponential("1 second"), { name: "slower" })
        ]
        for (const timetable of kinds) {
          const { name, schedule } = yield* register({ timetable })
          assert.deepStrictEqual(schedule.timetable, Timetable.stored(timetable))
          const { nextTick, progress } = yield* Timetable.first(timetable, DateTime.makeUnsafe(0))
          const steps = schedule.progress.steps ?? progress.steps
          const place = { nextTick, progress: { phase: "running" as const, tick: 7, steps } }
          yield* store.advance(name, change(() => ({ place })))
          const listed = (yield* store.list).find((schedule) => schedule.name === name)
          assert.deepStrictEqual({ nextTick: listed?.nextTick, progress: listed?.progress }, place)
        }
      })
    )

    fact(
      "S0.54 D.7 knows a stored schedule with tenant and payload, and refuses its name to others",
      Effect.gen(function*() {
        const store = yield* ScheduleStore
        const stored = { source: "stored", tenant: "acme", payload: { n: 1, text: "a\u0000b" } } as const
        const { name, schedule } = yield* register(stored)
        assert.deepInclude(schedule, { source: "stored", tenant: "acme" })
        const taken = yield* Effect.flip(store.register(named(name, { ...stored, tenant: "other" })))
        assert.strictEqual(taken._tag, "ScheduleTaken")
        assert.strictEqual((yield* Effect.flip(store.register(named(name))))._tag, "ScheduleTaken")
        const edited = yield* store.register(named(name, { ...stored, payload: { n: 2 } }))
        assert.deepStrictEqual([edited.payload, edited.revision], [{ n: 2 }, 2])
        assert.isTrue(yield* store.remove(name))
        assert.isFalse(yield* store.remove(name))
        assert.notInclude((yield* store.list).map((schedule) => schedule.name), name)
        assert.strictEqual((yield* Effect.flip(store.advance(name, keep)))._tag, "ScheduleNotFound")
      })
    )

    fact(
      "S0.54 D.7 shows a schedule that no process holds as orphaned, until one does",
      Effect.gen(function*() {
        const store = yield* ScheduleStore
        const { name } = yield* register()
        const orphaned = Effect.fnUntraced(function*(hold: Duration.Input) {
          const { now, schedules } = yield* store.look([name], hold)
          assert.isAbove(DateTime.toEpochMillis(now), 0)
          return schedules.find((schedule) => schedule.name === name)?.orphaned
        })
        assert.isFalse(yield* orphaned("1 minute"))
        const other = yield* register()
        const { schedules } = yield* store.look([name], "1 minute")
        assert.isFalse(schedules.find((schedule) => schedule.name === other.name)?.orphaned)
      })
    )

    fact(
      "S0.54 S1.21 gives a tick to one of many callers that ask at once",
      Effect.gen(function*() {
        const store = yield* ScheduleStore
        const { name, nextTick } = yield* register()
        const ticks = minutesAfter(nextTick, 0, 1, 2)
        const answers = yield* Effect.forEach(
          Array.from({ length: 16 }),
          () => store.advance(name, fire(ticks)),
          { concurrency: "unbounded" }
        )
        const started = answers.flatMap((answer) => millis(answer.started))
        assert.deepStrictEqual(started, millis(ticks.map((tick) => ({ tick }))))
      })
    )

    fact(
      "S0.54 records skipped ticks with their reason, and never fires them later",
      Effect.gen(function*() {
        const store = yield* ScheduleStore
        const { name, nextTick } = yield* register()
        const skip = change(() => ({ skip: [{ tick: nextTick, reason: "overlap" }] }))
        const answer = yield* store.advance(name, skip)
        assert.deepStrictEqual([answer.started.length, answer.skipped], [0, 1])
        assert.strictEqual((yield* store.advance(name, skip)).skipped, 0)
        assert.deepStrictEqual((yield* store.advance(name, fire([nextTick]))).started, [])
        const [row] = yield* store.ticks(name, 10)
        assert.deepStrictEqual([row?.outcome, row?.detail], ["skipped", "overlap"])
      })
    )

    fact(
      "S0.54 keeps ticks that wait, gives each to one caller, and skips them where that is decided",
      Effect.gen(function*() {
        const store = yield* ScheduleStore
        const { name, nextTick } = yield* register()
        const [first = nextTick, second = nextTick, third = nextTick] = minutesAfter(nextTick, 0, 1, 2)
        const asked = { trigger: { kind: "code" }, origin: { tenant: "acme", actor: "a\u0000b" } } as const
        yield* store.advance(
          name,
          change(() => ({
            record: [{ tick: first, asked: null }, { tick: second, asked }, { tick: third, asked: null }],
            start: [first]
          }))
        )
        assert.deepStrictEqual((yield* unfinished(name)).map(({ state }) => state), ["claimed", "waiting", "waiting"])
        const start = change(() => ({ start: [first, second], skip: [{ tick: third, reason: "late" }] }))
        const { skipped, started } = yield* store.advance(name, start)
        assert.deepStrictEqual([millis(started), skipped], [millis([{ tick: second }]), 1])
        assert.deepStrictEqual(started[0]?.asked?.trigger, asked.trigger)
        assert.strictEqual(started[0]?.asked?.origin.tenant, "acme")
        assert.deepStrictEqual(yield* outcomes(name), ["skipped", null, null])
      })
    )

    fact(
      "S0.54 begins a tick for its newest claim alone, and gives back one that has not begun",
      Effect.gen(function*() {
        const store = yield* ScheduleStore
        const { name, nextTick } = yield* register()
        const { started: [claim] } = yield* store.advance(name, fire([nextTick]))
        if (claim === undefined) return assert.fail("no claim")
        yield* store.release(claim)
        assert.deepStrictEqual((yield* unfinished(name)).map(({ state }) => state), ["waiting"])
        assert.isFalse(yield* store.begin(claim))
        const { started: [again] } = yield* store.advance(name, change(() => ({ start: [nextTick] })))
        if (again === undefined) return assert.fail("no claim")
        // the older claim is a dead letter
        assert.isFalse(yield* store.begin(claim))
        yield* store.finish(claim, "failed", null)
        yield* store.release(claim)
        assert.isTrue(yield* store.begin(again))
        // the answer may have been lost
        assert.isTrue(yield* store.begin(again))
        assert.deepStrictEqual((yield* unfinished(name)).map(({ state }) => state), ["running"])
        yield* store.finish(again, "completed", null)
        assert.deepStrictEqual(yield* outcomes(name), ["completed"])
      })
    )

    fact(
      "S0.54 counts a tick as open until it is finished, and finishes it once",
      Effect.gen(function*() {
        const store = yield* ScheduleStore
        const { name, nextTick } = yield* register()
        const { started } = yield* store.advance(name, fire(minutesAfter(nextTick, 0, 1, 2), 2))
        const counts = Effect.map(
          store.list,
          (schedules) => schedules.flatMap((one) => one.name === name ? [one.open, one.waiting] : [])
        )
        assert.deepStrictEqual(yield* counts, [2, 1])
        assert.deepStrictEqual(yield* store.renew(started), { lost: [], stop: [] })
        // one waits, so there is something to decide
        for (const claim of started) assert.isTrue(yield* store.finish(claim, "failed", "a\u0000b"))
        assert.deepStrictEqual(yield* counts, [0, 1])
        for (const claim of started) yield* store.finish(claim, "completed", null)
        assert.deepStrictEqual(yield* outcomes(name), [null, "failed", "failed"])
        const { lost } = yield* store.renew(started)
        assert.sameDeepMembers(millis(lost), millis(started))
        assert.deepStrictEqual(yield* counts, [0, 1])
      })
    )

    fact(
      "S0.54 tells whoever ends a run when its timetable counts from there",
      Effect.gen(function*() {
        const store = yield* ScheduleStore
        const { name, nextTick } = yield* register({ timetable: Timetable.spaced("1 hour") })
        const place = { nextTick: null, progress: { phase: "running" as const, tick: 1, steps: null } }
        const { started: [claim] } = yield* store.advance(
          name,
          change(() => ({ place, record: [{ tick: nextTick, asked: null }], start: [nextTick] }))
        )
        assert.isTrue(claim !== undefined && (yield* store.finish(claim, "completed", null)))
        const other = yield* register()
        const { started: [last] } = yield* store.advance(other.name, fire([other.nextTick]))
        assert.isFalse(last === undefined || (yield* store.finish(last, "completed", null)))
      })
    )

    fact(
      "S0.54 S0.9 tells the holder of a tick that it is asked to stop, and gives it up where that is decided",
      Effect.gen(function*() {
        const store = yield* ScheduleStore
        const { name, nextTick } = yield* register()
        const { started } = yield* store.advance(name, fire([nextTick]))
        yield* store.advance(name, change(() => ({ stop: [nextTick] })))
        const [seen] = yield* unfinished(name)
        assert.isAtLeast(seen?.stoppingMs ?? -1, 0)
        const { lost, stop } = yield* store.renew(started)
        assert.deepStrictEqual([lost, millis(stop)], [[], millis([{ tick: nextTick }])])
        yield* store.advance(name, change(() => ({ abandon: [nextTick] })))
        assert.deepStrictEqual(yield* outcomes(name), ["abandoned"])
        assert.deepStrictEqual(millis((yield* store.renew(started)).lost), millis(started))
      })
    )

    fact(
      "S0.54 keeps a pause, counts it as a change, and moves the place only as decided",
      Effect.gen(function*() {
        const store = yield* ScheduleStore
        const { name, nextTick } = yield* register()
        yield* store.advance(name, change(() => ({ paused: true, delayMs: 7 })))
        const again = yield* store.register(named(name))
        assert.deepInclude(again, { paused: true, delayMs: 7, revision: 2, nextTick })
        const { schedule } = yield* store.advance(name, change(() => ({ paused: false })))
        assert.isTrue(schedule.paused)
        const listed = (yield* store.list).find((schedule) => schedule.name === name)
        assert.deepInclude(listed, { paused: false, revision: 3 })
      })
    )

    fact(
      "S0.54 lists ticks newest first and remembers the newest as last",
      Effect.gen(function*() {
        const store = yield* ScheduleStore
        const { name, nextTick, schedule: { progress } } = yield* register()
        const place = { nextTick: DateTime.add(nextTick, { hours: 1 }), progress }
        yield* store.advance(
          name,
          change(() => ({ record: minutesAfter(nextTick, 3, 1, 2).map((tick) => ({ tick, asked: null })), place }))
        )
        const sorted = millis(minutesAfter(nextTick, 3, 2, 1).map((tick) => ({ tick })))
        assert.deepStrictEqual(millis(yield* store.ticks(name, 10)), sorted)
        assert.deepStrictEqual(millis(yield* store.ticks(name, 1)), sorted.slice(0, 1))
        const schedule = (yield* store.list).find((schedule) => schedule.name === name)
        assert.strictEqual(schedule?.lastTick?.epochMilliseconds, sorted[0])
        assert.deepStrictEqual(schedule?.nextTick, place.nextTick)
      })
    )

    fact(
      "S0.54 closes a tick that is handed over with its decision, as failed where that fails, and starts the others",
      Effect.gen(function*() {
        const store = yield* ScheduleStore
        const { name, nextTick } = yield* register()
        const [first = nextTick, second = nextTick, third = nextTick] = minutesAfter(nextTick, 0, 1, 2)
        const seen: Array<string> = []
        const answer = yield* store.advance(name, fire([first, second, third]), (claim, schedule) => {
          if (millis([claim])[0] === millis([{ tick: third }])[0]) return undefined
          return Effect.suspend(() => {
            seen.push(schedule.name)
            return seen.length === 1 ? Effect.void : Effect.fail(new Full({}))
          })
        })
        assert.deepStrictEqual([seen, answer.enqueued], [[name, name], 2])
        assert.deepStrictEqual(millis(answer.started), millis([{ tick: third }]))
        const ticks = yield* store.ticks(name, 10)
        assert.deepStrictEqual(ticks.map(({ detail, outcome }) => [outcome, detail]), [
          [null, null],
          ["failed", "the queue is full"],
          ["completed", null]
        ])
      })
    )

    fact(
      "S0.54 keeps the newest 1,000 ended ticks, and every one that has not ended",
      Effect.gen(function*() {
        const store = yield* ScheduleStore
        const { name, nextTick } = yield* register()
        yield* store.advance(name, fire([nextTick]))
        const skip = minutesAfter(nextTick, ...Array.from({ length: 1010 }, (_, i) => i + 1))
          .map((tick) => ({ tick, reason: "old" }))
        yield* store.advance(name, change(() => ({ skip })))
        const kept = yield* store.ticks(name, 2000)
        assert.strictEqual(kept.filter(({ outcome }) => outcome !== null).length, 1000)
        assert.deepStrictEqual(millis(kept.filter(({ outcome }) => outcome === null)), millis([{ tick: nextTick }]))
        assert.deepStrictEqual(millis(kept.slice(0, 1)), millis(skip.slice(-1)))
      })
    )

    fact(
      "S0.54 refuses to decide on a schedule that was never registered",
      Effect.gen(function*() {
        const store = yield* ScheduleStore
        const error = yield* Effect.flip(store.advance("suite.unknown", keep))
        assert.strictEqual(error._tag, "ScheduleNotFound")
        assert.include(error.message, "never registered")
      })
    )

    fact(
      "S0.54 S0.11 writes nothing when the decision throws",
      Effect.gen(function*() {
        const store = yield* ScheduleStore
        const { name } = yield* register()
        const exit = yield* Effect.exit(store.advance(
          name,
          change(() => {
            throw new Error("no decision")
          })
        ))
        assert.strictEqual(exit._tag, "Failure")
        assert.deepStrictEqual(yield* store.ticks(name, 10), [])
      })
    )
  })

import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { Timetable } from "ostinato/schedule"

const at = (millis: number) => DateTime.makeUnsafe(millis)
const json = Schema.fromJsonString(Schema.toCodecJson(Timetable.Place))

/** What a restart leaves of a place. */
const throughStore = (place: Timetable.Place) =>
  Effect.flatMap(Schema.encodeEffect(json)(place), Schema.decodeEffect(json))

/** When the runs of a timetable begin; each takes `run` milliseconds. `restart` makes the timetable anew, as a process does. */
const starts = Effect.fnUntraced(function*(options: {
  readonly make: () => Timetable.Timetable
  readonly run: (index: number) => number
  readonly count: number
  readonly restart?: (index: number) => boolean
}) {
  let timetable = options.make()
  let place = yield* Timetable.first(timetable, at(0))
  const found: Array<number> = []
  while (place.nextTick !== null && found.length < options.count) {
    const tick = place.nextTick
    const answer = Timetable.due(timetable, place, tick, 10)
    assert.deepStrictEqual(answer.due, [tick])
    assert.strictEqual(answer.place.nextTick, null)
    if (options.restart?.(found.length) === true) {
      timetable = options.make()
      place = yield* throughStore(answer.place)
    } else {
      place = answer.place
    }
    const ended = DateTime.toEpochMillis(tick) + options.run(found.length)
    found.push(DateTime.toEpochMillis(tick))
    place = yield* Timetable.afterRun(timetable, place, at(ended))
  }
  return { starts: found, place }
})

/** When the runs of `Effect.repeat` begin, millisecond by millisecond. */
const repeated = Effect.fnUntraced(
  function*(schedule: Schedule.Schedule<unknown>, run: (index: number) => number, until: number, seed: string) {
    const found: Array<number> = []
    const work = Effect.gen(function*() {
      found.push(yield* Clock.currentTimeMillis)
      yield* Effect.sleep(run(found.length - 1))
    })
    const fiber = yield* Effect.forkChild(Random.withSeed(Effect.repeat(work, schedule), seed))
    for (let passed = 0; passed < until; passed++) yield* TestClock.adjust(1)
    yield* Fiber.interrupt(fiber)
    return found
  },
  Effect.provide(TestClock.layer())
)

/** As a real clock counts. */
const inWholeMillis = (schedule: Schedule.Schedule<unknown>) =>
  Schedule.modifyDelay(schedule, ({ duration }) => Effect.succeed(Math.ceil(Duration.toMillis(duration))))

const schedules: Record<string, Schedule.Schedule<unknown>> = {
  "exponential, jittered, up to 6 times": Schedule.exponential("20 millis").pipe(
    Schedule.jittered,
    Schedule.upTo({ times: 6 })
  ),
  "fibonacci": Schedule.fibonacci("10 millis"),
  "spaced": Schedule.spaced("30 millis"),
  "fixed": Schedule.fixed("70 millis"),
  "windowed": Schedule.windowed("70 millis"),
  "spaced, up to a duration": Schedule.spaced("50 millis").pipe(Schedule.upTo({ duration: "600 millis" })),
  "one after the other": Schedule.concat(Schedule.recurs(2), Schedule.exponential("50 millis").pipe(Schedule.jittered)),
  "the shorter of two": Schedule.min([Schedule.exponential("10 millis"), Schedule.spaced("100 millis")])
}

describe("Timetable.spaced", () => {
  it.effect("D.1 starts a task of 25 s at a delay of 10 s at 0 s, 35 s and 70 s", () =>
    Effect.gen(function*() {
      const make = () => Timetable.spaced("10 seconds")
      const answer = yield* starts({ make, run: () => 25_000, count: 3, restart: (i) => i === 1 })
      assert.deepStrictEqual(answer.starts, [0, 35_000, 70_000])
    }))

  it.effect("counts from the last run where the timetable was changed, but nothing is due in the past", () =>
    Effect.gen(function*() {
      const next = (now: number) =>
        Effect.map(Timetable.first(Timetable.spaced("10 seconds"), at(now), at(5000)), (place) => place.nextTick)
      assert.deepStrictEqual(yield* next(6000), at(15_000))
      assert.deepStrictEqual(yield* next(60_000), at(60_000))
    }))

  it.effect("is never late, so that no policy for missed ticks ends it", () =>
    Effect.gen(function*() {
      const timetable = Timetable.spaced("10 seconds")
      const { due, late, place } = Timetable.due(timetable, yield* Timetable.first(timetable, at(0)), at(1e9), 10)
      assert.deepStrictEqual([due, late, place.progress.phase], [[at(0)], false, "running"])
      assert.deepStrictEqual(Timetable.due(timetable, place, at(2e9), 10).due, [])
    }))
})

describe("Timetable.fromSchedule", () => {
  for (const [name, schedule] of Object.entries(schedules)) {
    it.effect(`D.1 starts when Effect.repeat would: ${name}`, () =>
      Effect.gen(function*() {
        const run = (index: number) => [1, 7, 95][index % 3]!
        const want = yield* repeated(inWholeMillis(schedule), run, 1500, "a seed")
        const make = () => Timetable.fromSchedule(schedule, { seed: "a seed" })
        const here = yield* starts({ make, run, count: want.length })
        assert.isAbove(want.length, 4)
        assert.deepStrictEqual(here.starts, want)
      }))
  }

  it.effect.prop(
    "D.1 goes on where it stood, wherever it is restarted",
    { cuts: Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 12 }))) },
    ({ cuts }) =>
      Effect.forEach(Object.values(schedules), (schedule) => {
        const make = () => Timetable.fromSchedule(schedule, { seed: "s" })
        const run = (index: number) => index * 3
        return Effect.gen(function*() {
          const whole = yield* starts({ make, run, count: 12 })
          const cut = yield* starts({ make, run, count: 12, restart: (i) => cuts.includes(i) })
          assert.deepStrictEqual(cut, whole)
        })
      }, { discard: true }),
    { arbitrary: { runs: 25 } }
  )

  it.effect("ends with its schedule, and stays so", () =>
    Effect.gen(function*() {
      const timetable = Timetable.fromSchedule(Schedule.exponential("1 second").pipe(Schedule.upTo({ times: 3 })))
      const { place, starts: found } = yield* starts({ make: () => timetable, run: () => 0, count: 10 })
      assert.deepStrictEqual(found, [0, 1000, 3000, 7000])
      assert.deepStrictEqual([place.nextTick, place.progress.phase], [null, "ended"])
      assert.deepStrictEqual(Timetable.due(timetable, place, at(1e12), 10).due, [])
      assert.deepStrictEqual(yield* Timetable.afterRun(timetable, place, at(1e12)), place)
    }))

  it.effect("ends where its delay is longer than any date", () =>
    Effect.gen(function*() {
      const timetable = Timetable.fromSchedule(Schedule.exponential("1 second", 1e9))
      const { place } = yield* starts({ make: () => timetable, run: () => 0, count: 10 })
      assert.strictEqual(place.progress.phase, "ended")
    }))

  it.effect("draws a seed for every schedule that has none, and keeps it", () =>
    Effect.gen(function*() {
      const make = () => Timetable.fromSchedule(Schedule.spaced("1 second").pipe(Schedule.jittered))
      const options = { make, run: () => 0, count: 6 }
      const [one, two] = [yield* starts(options), yield* starts(options)]
      assert.notDeepEqual(one.starts, two.starts)
      const again = Timetable.fromSchedule(Schedule.spaced("1 second").pipe(Schedule.jittered), {
        seed: one.place.progress.steps!.seed
      })
      assert.deepStrictEqual((yield* starts({ ...options, make: () => again })).starts, one.starts)
    }))

  it.effect("asked twice about the same place gives the same answer twice, as a transaction that is tried again does", () =>
    Effect.gen(function*() {
      const timetable = Timetable.fromSchedule(Schedule.fibonacci("1 second").pipe(Schedule.jittered), { seed: "s" })
      let place = yield* Timetable.first(timetable, at(0))
      for (let i = 0; i < 20; i++) {
        const running = Timetable.due(timetable, place, place.nextTick ?? at(0), 1).place
        const ended = at((running.progress.tick ?? 0) + 10)
        place = yield* Timetable.afterRun(timetable, running, ended)
        assert.deepStrictEqual(yield* Timetable.afterRun(timetable, running, ended), place)
      }
    }))

  it.effect("keeps few live schedules, however many stand at places of one timetable", () =>
    Effect.gen(function*() {
      const timetable = Timetable.fromSchedule(Schedule.spaced("1 second"), { seed: "s" })
      for (let i = 0; i < 50; i++) {
        const running = Timetable.due(timetable, yield* Timetable.first(timetable, at(i)), at(i), 1).place
        const { nextTick } = yield* Timetable.afterRun(timetable, running, at(i * 10))
        assert.deepStrictEqual(nextTick, at(i * 10 + 1000))
      }
      assert.strictEqual(timetable.stepper.live.size, 16)
    }))

  it.effect("gives no instant twice, not even for runs and delays that take no time", () =>
    Effect.gen(function*() {
      const make = () => Timetable.fromSchedule(Schedule.forever)
      assert.deepStrictEqual((yield* starts({ make, run: () => 0, count: 4 })).starts, [0, 1, 2, 3])
    }))

  it.effect("keeps a bounded memory of a long life, and its count", () =>
    Effect.gen(function*() {
      const make = () => Timetable.fromSchedule(Schedule.spaced("1 second").pipe(Schedule.upTo({ times: 2000 })))
      const { place, starts: found } = yield* starts({ make, run: () => 0, count: 5000, restart: (i) => i === 1500 })
      assert.strictEqual(found.length, 2001)
      assert.strictEqual(found.at(-1), 2_000_000)
      const { head, skipped, tail } = place.progress.steps!
      assert.deepStrictEqual([head.length, skipped, tail.length], [64, 2001 - 128, 64])
    }))
})

describe("Timetable.upcoming", () => {
  it.effect.prop(
    "goes strictly forward, for every kind",
    { from: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 4e12 })), seed: Schema.String },
    ({ from, seed }) =>
      Effect.gen(function*() {
        const timetables: ReadonlyArray<Timetable.Timetable> = [
          Timetable.every("1 millis"),
          Timetable.every("60 days", { anchor: "fixed" }),
          Timetable.cronUnsafe("*/20 1-3 * * *", { timeZone: "Europe/Athens" }),
          Timetable.cronUnsafe("0 0 29 2 *"),
          Timetable.spaced("10 seconds"),
          ...Object.values(schedules).map((schedule) => Timetable.fromSchedule(schedule, { seed }))
        ]
        for (const timetable of timetables) {
          const ticks = (yield* Timetable.upcoming(timetable, at(from), 6)).map(DateTime.toEpochMillis)
          assert.isAbove(ticks.length, 5)
          assert.deepStrictEqual(ticks, [...new Set(ticks)].sort((a, b) => a - b))
          assert.isAtLeast(ticks[0]!, from)
        }
      }),
    { arbitrary: { runs: 25 } }
  )

  it.effect("from a place tells what follows from where the schedule stands", () =>
    Effect.gen(function*() {
      const timetable = Timetable.every("10 seconds", { anchor: "fixed" })
      const place = yield* Timetable.first(timetable, at(3000))
      const after = Timetable.due(timetable, place, at(33_500), 1).place
      assert.deepStrictEqual(yield* Timetable.upcoming(timetable, after, 2), [at(43_000), at(53_000)])
    }))
})

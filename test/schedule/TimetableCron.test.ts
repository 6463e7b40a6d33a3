import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { Timetable } from "ostinato/schedule"
import { expected, transitions, zones } from "./minuteWalk.ts"

const utc = (text: string) => DateTime.makeUnsafe(text)
const berlin = { timeZone: "Europe/Berlin" }

const next = (timetable: Timetable.Timetable, from: string, count: number) =>
  Effect.map(Timetable.upcoming(timetable, utc(from), count), (ticks) => ticks.map((tick) => DateTime.formatIso(tick)))

const refused = (expression: string, options?: { readonly timeZone: string }) => {
  const result = Timetable.cron(expression, options)
  assert.isTrue(Result.isFailure(result), expression)
  return Result.isFailure(result) ? result.failure.message : ""
}

const instantsOf = (line: Timetable.Cron, from: number, to: number) => {
  const place = {
    nextTick: DateTime.makeUnsafe(from + 1),
    progress: { phase: "waiting", tick: null, steps: null }
  } as const
  return Timetable.due(line, place, DateTime.makeUnsafe(to), 1000).due.map(DateTime.toEpochMillis)
}

/** Every line that differs around the transitions from what the walk over each minute of the wall clock says. */
const differences = (zone: string, at: ReadonlyArray<number>, expressions: ReadonlyArray<string>) =>
  at.flatMap((change) => {
    const window = { from: change - 3 * 3_600_000, to: change + 3 * 3_600_000 }
    const walk = expected(zone, window)
    return expressions.flatMap((expression) => {
      const line = Timetable.cronUnsafe(expression, { timeZone: zone })
      const want = walk(expression)
      const got = instantsOf(line, window.from, window.to)
      return JSON.stringify(got) === JSON.stringify(want) ? [] : [{ zone, expression, change, got, want }]
    })
  })

describe("Timetable.cron", () => {
  it.effect("reads 5 fields, and 6 with seconds first, in UTC where no zone is said", () =>
    Effect.gen(function*() {
      const daily = Timetable.cronUnsafe("0 2 * * *")
      assert.strictEqual(daily.timeZone, "UTC")
      assert.deepStrictEqual(yield* next(daily, "2026-01-01T12:00:00Z", 2), [
        "2026-01-02T02:00:00.000Z",
        "2026-01-03T02:00:00.000Z"
      ])
      assert.deepStrictEqual(yield* next(Timetable.cronUnsafe("*/20 0 2 * * *"), "2026-01-01T02:00:20Z", 2), [
        "2026-01-01T02:00:40.000Z",
        "2026-01-02T02:00:00.000Z"
      ])
    }))

  it.effect("counts in its time zone", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* next(Timetable.cronUnsafe("0 2 * * *", berlin), "2026-01-01T12:00:00Z", 1), [
        "2026-01-02T01:00:00.000Z"
      ])
      const offset = Timetable.cronUnsafe("0 2 * * *", { timeZone: "+05:30" })
      assert.deepStrictEqual(yield* next(offset, "2026-01-01T12:00:00Z", 1), ["2026-01-01T20:30:00.000Z"])
    }))

  it("S1.38 refuses dates that never come, unknown zones and what is no cron line, and says why", () => {
    for (const never of ["0 0 31 2 *", "0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 0 31 2 *"]) {
      assert.include(refused(never), "never comes")
    }
    assert.include(refused("0 2 * * *", { timeZone: "Europe/Atlantis" }), `"Europe/Atlantis" is no time zone`)
    assert.include(refused("0 2 * *"), "has 4")
    for (const wrong of ["60 * * * *", "a b c d e", "0 25 * * *", "*/0 * * * *", "5-1 * * * *"]) {
      assert.include(refused(wrong), "Write 5 fields")
    }
  })

  it.effect("comes on 29 February, over the year without a leap day too", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* next(Timetable.cronUnsafe("0 0 29 2 *"), "2095-01-01T00:00:00Z", 3), [
        "2096-02-29T00:00:00.000Z",
        "2104-02-29T00:00:00.000Z",
        "2108-02-29T00:00:00.000Z"
      ])
    }))

  it("S1.38 warns of a line that sets both the day of the month and of the week, with the next 8 dates", () => {
    const fortnightly = Timetable.cronUnsafe("0 2 1-7,15-21 * 1")
    const [warning = "", ...more] = Timetable.warnings(fortnightly, utc("2026-06-01T03:00:00Z"))
    assert.deepStrictEqual(more, [])
    assert.deepStrictEqual(
      warning.match(/2026-06-\d\d/g),
      [2, 3, 4, 5, 6, 7, 8, 15].map((day) => `2026-06-${String(day).padStart(2, "0")}`)
    )
    for (const clear of ["0 2 * * 1", "0 2 1 * *", "0 2 * * *"]) {
      assert.deepStrictEqual(Timetable.warnings(Timetable.cronUnsafe(clear), utc("2026-06-01T00:00:00Z")), [])
    }
    assert.deepStrictEqual(Timetable.warnings(Timetable.every("2 weeks"), utc("2026-06-01T00:00:00Z")), [])
  })

  describe("G12", () => {
    it.effect("a time that does not exist comes once, moved on by the gap", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* next(Timetable.cronUnsafe("30 2 * * *", berlin), "2026-03-28T12:00:00Z", 2), [
          "2026-03-29T01:30:00.000Z",
          "2026-03-30T00:30:00.000Z"
        ])
      }))

    it.effect("of a repeated hour an hour that is written out counts once, and a wildcard twice, unless told otherwise", () =>
      Effect.gen(function*() {
        const [first, second] = ["2026-10-25T00:30:00.000Z", "2026-10-25T01:30:00.000Z"]
        const day = (line: Timetable.Cron) => next(line, "2026-10-25T00:15:00Z", 2)
        const later = { ...berlin, onDstOverlap: "later" } as const
        assert.strictEqual((yield* day(Timetable.cronUnsafe("30 2 * * *", berlin)))[0], first)
        assert.strictEqual((yield* day(Timetable.cronUnsafe("30 2 * * *", berlin)))[1], "2026-10-26T01:30:00.000Z")
        assert.strictEqual((yield* day(Timetable.cronUnsafe("30 2 * * *", later)))[0], second)
        assert.deepStrictEqual(yield* day(Timetable.cronUnsafe("30 * * * *", berlin)), [first, second])
        for (const repeats of ["30 */2 * * *", "30 0-8/2 * * *", "30 0-23 * * *"]) {
          assert.deepStrictEqual(yield* day(Timetable.cronUnsafe(repeats, berlin)), [first, second])
        }
      }))

    it("a day that a zone left out comes the day after", () => {
      const line = Timetable.cronUnsafe("0 12 * * *", { timeZone: "Pacific/Apia" })
      const from = Date.UTC(2011, 11, 29, 0)
      const hours = instantsOf(line, from, from + 72 * 3_600_000).map((tick) => (tick - from) / 3_600_000)
      assert.deepStrictEqual(hours, [22, 46, 70])
    })

    it("no zone that there is differs from a walk over each minute of its wall clock at any change of 2026", () => {
      const lines = ["30 2 * * *", "*/20 0-3 * * *", "15 */2 * * *"]
      const walked = zones().map((zone) => [zone, transitions(zone, 2026, 2026)] as const)
      assert.isAbove(walked.length, 400)
      assert.isAbove(walked.flatMap(([, at]) => at).length, 200)
      assert.deepStrictEqual(walked.flatMap(([zone, at]) => differences(zone, at, lines)), [])
    })

    it("nor do the odd ones until 2040, on every minute", () => {
      const lines = ["* * * * *", "0 0 * * *", "0 3 * * 0", "45 1,2 * * *", "30 23 * * *", "0 12 29 3 *"]
      for (
        const zone of [
          "Australia/Lord_Howe",
          "America/Santiago",
          "Antarctica/Troll",
          "Africa/Cairo",
          "Europe/Dublin"
        ]
      ) {
        const at = transitions(zone, 2028, 2040).filter((_, i) => i % 4 === 0)
        assert.isAbove(at.length, 5)
        assert.deepStrictEqual(differences(zone, at, lines), [])
      }
    })

    it("a wildcard every 30 minutes never leaves more than 30 minutes", () => {
      for (const change of transitions("Europe/Berlin", 2026, 2026)) {
        const line = Timetable.cronUnsafe("*/30 * * * *", berlin)
        const ticks = instantsOf(line, change - 7_200_000, change + 7_200_000)
        assert.strictEqual(ticks.length, 8)
      }
    })
  })

  it.effect.prop(
    "S1.O1 gives every instant once, however often and however late it is asked",
    { minutes: Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 300 }))) },
    ({ minutes }) =>
      Effect.gen(function*() {
        // across both changes of the clock in Berlin
        const start = utc(minutes.length % 2 === 0 ? "2026-03-28T20:00:00Z" : "2026-10-24T20:00:00Z")
        const line = Timetable.cronUnsafe("*/15 1-4 * * *", berlin)
        let place = yield* Timetable.first(line, start)
        let now = start
        const seen: Array<DateTime.Utc> = []
        for (const step of minutes) {
          now = DateTime.add(now, { minutes: step })
          const answer = Timetable.due(line, place, now, Infinity)
          seen.push(...answer.due)
          place = answer.place
        }
        const all = yield* Timetable.upcoming(line, start, seen.length + 1)
        assert.deepStrictEqual(seen, all.slice(0, -1))
        assert.deepStrictEqual(place.nextTick, all.at(-1))
      }),
    { arbitrary: { runs: 40 } }
  )

  it("S1.41 gives the newest instants that were missed, as many as asked for, and tells that they are late", () => {
    const place = {
      nextTick: utc("2026-01-01T00:00:00Z"),
      progress: { phase: "waiting", tick: null, steps: null }
    } as const
    const daily = Timetable.cronUnsafe("0 0 * * *")
    const ask = (now: string, limit: number) => {
      const { due, late } = Timetable.due(daily, place, utc(now), limit)
      return { due: due.map((tick) => DateTime.formatIso(tick).slice(0, 10)), late }
    }
    assert.deepStrictEqual(ask("2026-01-03T12:00:00Z", 1), { due: ["2026-01-03"], late: true })
    assert.deepStrictEqual(ask("2026-01-03T12:00:00Z", 10), {
      due: ["2026-01-01", "2026-01-02", "2026-01-03"],
      late: true
    })
    assert.deepStrictEqual(ask("2026-01-03T00:00:30Z", 1), { due: ["2026-01-03"], late: false })
    assert.deepStrictEqual(ask("2025-12-31T23:59:59Z", 9), { due: [], late: false })
    const everySecond = Timetable.due(Timetable.cronUnsafe("* * * * * *"), place, utc("2027-01-01T00:00:00Z"), Infinity)
    assert.strictEqual(everySecond.due.length, 1000)
  })
})

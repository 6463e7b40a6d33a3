import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { Timetable } from "ostinato/schedule"
import { expectTypeOf } from "vitest"

const day = 86_400_000
const at = (days: number) => DateTime.makeUnsafe(days * day)
const days = (instants: ReadonlyArray<DateTime.Utc>) => instants.map((instant) => instant.epochMilliseconds / day)

describe("Timetable", () => {
  describe("parse", () => {
    const intervals: Record<string, number> = {
      "300": 300_000,
      "1209600": 14 * day,
      "5 minutes": 300_000,
      "1 hour": 3_600_000,
      "2 weeks": 14 * day,
      " 10 seconds ": 10_000,
      PT5M: 300_000,
      P14D: 14 * day,
      P2W: 14 * day,
      P1DT12H: 1.5 * day,
      "200 milliseconds": 200,
      "PT0.2S": 200,
      "every 5 minutes": 300_000
    }
    for (const [text, everyMs] of Object.entries(intervals)) {
      it(`S1.12 S1.16 reads "${text}" as ${everyMs} ms`, () => {
        assert.deepStrictEqual(Timetable.parse(text), Result.succeed(Timetable.every(everyMs)))
      })
    }

    const lines: Record<string, readonly [string, string]> = {
      "0 2 * * *": ["0 2 * * *", "UTC"],
      "0 2 * * * Europe/Berlin": ["0 2 * * *", "Europe/Berlin"],
      "CRON_TZ=Europe/Berlin 0 2 * * *": ["0 2 * * *", "Europe/Berlin"],
      "TZ=America/New_York 30 0 2 * * 1-5": ["30 0 2 * * 1-5", "America/New_York"],
      "  0  2 * *   MON-FRI ": ["0 2 * * MON-FRI", "UTC"],
      "*/10 * * * * SUN": ["*/10 * * * * SUN", "UTC"],
      "*/10 * * * * * UTC": ["*/10 * * * * *", "UTC"],
      "0 2 * * * +02:00": ["0 2 * * *", "+02:00"],
      "0 2 * * sun EST5EDT": ["0 2 * * sun", "EST5EDT"]
    }
    for (const [text, [expression, timeZone]] of Object.entries(lines)) {
      it(`S1.12 reads "${text}" as a cron line in ${timeZone}`, () => {
        const read = Timetable.parse(text)
        assert.deepStrictEqual(read, Timetable.cron(expression, { timeZone }))
        assert.isTrue(Result.isSuccess(read))
      })
    }

    it("reads a delay after each run", () => {
      assert.deepStrictEqual(
        Timetable.parse("10 seconds after each run"),
        Result.succeed(Timetable.spaced("10 seconds"))
      )
    })

    it("S1.12 D.3 says what is wrong with a text, and every form that it accepts", () => {
      const said = (text: string) =>
        Result.match(Timetable.parse(text), { onFailure: (error) => error.message, onSuccess: () => "accepted" })
      assert.strictEqual(
        said("0 2 31 2 * Europe/Berlin"),
        `"0 2 31 2 * Europe/Berlin" is no timetable: it never comes: no month has such a day. Write seconds (1209600), ` +
          `words ("2 weeks", "5 minutes") or ISO-8601 (P14D, PT5M), "10 seconds after each run", or a cron line of 5 or 6 ` +
          `fields with its time zone ("0 2 * * * Europe/Berlin", "CRON_TZ=Europe/Berlin 0 2 * * *")`
      )
      assert.include(said("0 2 * * * Europe/Berlim"), `"Europe/Berlim" is no time zone`)
      assert.include(said("TZ=Nowhere 0 2 * * *"), `"Nowhere" is no time zone`)
      assert.include(said("99 2 * * *"), "is no timetable")
      assert.include(said("soon"), "neither an interval nor a cron line")
      assert.include(said("0 2 * * * *  * *"), "neither an interval nor a cron line")
    })

    it("parseInterval takes intervals alone", () => {
      assert.deepStrictEqual(Timetable.parseInterval("PT5M"), Result.succeed(Timetable.every("5 minutes")))
      for (const text of ["0 2 * * *", "10 seconds after each run", "soon", "0"]) {
        const read = Timetable.parseInterval(text)
        assert.isTrue(Result.isFailure(read) && read.failure.message.includes(`"${text}" is no interval`), text)
      }
    })

    it("D.3 the failure is a value of exactly one type", () => {
      expectTypeOf(Timetable.parse).returns.toEqualTypeOf<
        Result.Result<Timetable.Every | Timetable.Cron | Timetable.Spaced, Timetable.TimetableInvalid>
      >()
      expectTypeOf(Timetable.cron).returns.toEqualTypeOf<Result.Result<Timetable.Cron, Timetable.TimetableInvalid>>()
      assert.throws(() => Timetable.cronUnsafe("soon"), "has 1")
    })

    it.effect.prop(
      "nothing that is written makes it throw",
      {
        text: Schema.String,
        fields: Schema.Array(
          Schema.Literals(["*", "*/0", "1-", "31", "2", "-1", "mon", "Europe/X", "CRON_TZ=", "L", "?"])
        )
      },
      ({ fields, text }) =>
        Effect.sync(() => {
          for (const candidate of [text, fields.join(" ")]) {
            const read = Timetable.parse(candidate)
            if (Result.isFailure(read)) assert.strictEqual(read.failure.text, candidate)
          }
        }),
      { arbitrary: { runs: 100 } }
    )

    for (
      const text of [
        "",
        "abc",
        "0",
        "-5",
        "1e99",
        "NaN",
        "Infinity",
        "5 lightyears",
        "P1M",
        "P1Y",
        "P",
        "9".repeat(400),
        "1\u0000"
      ]
    ) {
      it(`refuses ${JSON.stringify(text.slice(0, 20))} and says what to write`, () => {
        const result = Timetable.parse(text)
        assert.isTrue(Result.isFailure(result))
        assert.include(Result.isFailure(result) ? result.failure.message : "", "Write seconds")
      })
    }
  })

  describe("describe", () => {
    it("is for people", () => {
      const texts = [
        Timetable.every("2 weeks"),
        Timetable.every("1 minute"),
        Timetable.every("90 seconds", { anchor: "fixed" }),
        Timetable.every(200),
        Timetable.cronUnsafe("0 2 * * *", { timeZone: "Europe/Berlin" }),
        Timetable.cronUnsafe("0 2 * * *", { onDstOverlap: "later" }),
        Timetable.spaced("10 seconds"),
        Timetable.fromSchedule(Schedule.forever, { name: "as often as it can" })
      ].map(Timetable.describe)
      assert.deepStrictEqual(texts, [
        "every 2 weeks",
        "every 1 minute",
        "every 90 seconds, fixed",
        "every 200 milliseconds",
        "0 2 * * * Europe/Berlin",
        "0 2 * * * UTC overlap=later",
        "10 seconds after each run",
        "as often as it can"
      ])
    })

    it.effect.prop(
      "is read back as the same timetable",
      {
        millis: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1e13 })),
        anchor: Schema.Literals(["lastRun", "fixed"]),
        timeZone: Schema.Literals([
          "UTC",
          "Europe/Berlin",
          "Australia/Lord_Howe",
          "+02:00",
          "America/Argentina/Ushuaia"
        ]),
        hours: Schema.Literals(["*", "*/6", "2", "1-5/2", "0,12"]),
        onDstOverlap: Schema.Literals(["earlier", "later", "both"])
      },
      ({ anchor, hours, millis, onDstOverlap, timeZone }) =>
        Effect.sync(() => {
          for (
            const timetable of [
              Timetable.every(millis, { anchor }),
              Timetable.every(millis * 60_000 % 1e13 + 60_000),
              Timetable.spaced(millis),
              Timetable.cronUnsafe(`5 ${hours} 1 * *`, { timeZone, onDstOverlap }),
              Timetable.cronUnsafe(`10 5 ${hours} * * 1-5`, { timeZone })
            ]
          ) {
            assert.deepStrictEqual(Timetable.parse(Timetable.describe(timetable)), Result.succeed(timetable))
          }
        }),
      { arbitrary: { runs: 60 } }
    )
  })

  describe("stored", () => {
    const codec = Schema.fromJsonString(Schema.toCodecJson(Timetable.Stored))
    const kinds = [
      Timetable.every("60 days", { anchor: "fixed" }),
      Timetable.cronUnsafe("0 2 * * *", { timeZone: "Europe/Berlin" }),
      Timetable.spaced("10 seconds"),
      Timetable.fromSchedule(Schedule.exponential("1 second"), { name: "back off" })
    ]

    it.effect("crosses JSON and says the same then", () =>
      Effect.gen(function*() {
        for (const timetable of kinds) {
          const text = yield* Schema.encodeEffect(codec)(Timetable.stored(timetable))
          const back = yield* Schema.decodeEffect(codec)(text)
          assert.deepStrictEqual(back, Timetable.stored(timetable))
          assert.strictEqual(Timetable.describe(back), Timetable.describe(timetable))
          assert.isTrue(Timetable.isSamePlace(timetable, back))
        }
      }))

    it.effect("refuses a cron line that can never come", () =>
      Effect.gen(function*() {
        const text = `{"_tag":"Cron","expression":"0 0 31 2 *","timeZone":"UTC","onDstOverlap":"earlier"}`
        assert.include(String(yield* Effect.flip(Schema.decodeEffect(codec)(text))), "never comes")
      }))

    it("keeps the place of a schedule while only an interval's anchor changes", () => {
      const [every, cron, spaced, stepped] = kinds
      assert.isTrue(Timetable.isSamePlace(every!, Timetable.every("60 days")))
      for (
        const other of [
          Timetable.every("61 days"),
          Timetable.cronUnsafe("0 2 * * *"),
          Timetable.spaced("11 seconds"),
          Timetable.fromSchedule(Schedule.exponential("1 second"), { name: "other" })
        ]
      ) {
        for (const known of [every!, cron!, spaced!, stepped!]) assert.isFalse(Timetable.isSamePlace(known, other))
      }
    })
  })

  describe("first", () => {
    const next = (timetable: Timetable.Timetable, now: number, lastRun?: number) =>
      Effect.map(
        Timetable.first(timetable, at(now), lastRun === undefined ? undefined : at(lastRun)),
        (place) => place.nextTick
      )

    it.effect("S1.O1 an interval is due one interval after the last run, or now where that is past", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* next(Timetable.every("14 days"), 3), at(17))
        assert.deepStrictEqual(yield* next(Timetable.every("14 days"), 9, 0), at(14))
        assert.deepStrictEqual(yield* next(Timetable.every("14 days"), 20, 0), at(20))
      }))

    it.effect("a cron line comes next after now, whatever ran before", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* next(Timetable.cronUnsafe("0 0 * * *"), 3.5, 0), at(4))
        assert.deepStrictEqual(yield* next(Timetable.cronUnsafe("0 0 * * *"), 3), at(4))
      }))
  })

  describe("due", () => {
    const due = (
      timetable: Timetable.Timetable,
      state: { nextTick: DateTime.Utc; now: DateTime.Utc },
      limit: number
    ) => {
      const progress = { phase: "waiting", tick: null, steps: null } as const
      const { due, late, place } = Timetable.due(timetable, { nextTick: state.nextTick, progress }, state.now, limit)
      assert.isNotNull(place.nextTick)
      return { due, late, nextTick: place.nextTick }
    }
    const fixed = Timetable.every("14 days", { anchor: "fixed" })
    const lastRun = Timetable.every("14 days")

    it("has nothing due before the next tick", () => {
      const { due: instants, nextTick } = due(lastRun, { nextTick: at(14), now: at(13.99) }, 5)
      assert.deepStrictEqual([days(instants), days([nextTick])], [[], [14]])
    })

    it("follows a tick on time by one exactly an interval later, whatever the anchor", () => {
      for (const timetable of [fixed, lastRun]) {
        const { due: instants, late, nextTick } = due(timetable, { nextTick: at(14), now: at(14 + 1e-5) }, 5)
        assert.deepStrictEqual([days(instants), late, days([nextTick])], [[14], false, [28]])
      }
    })

    it("S0.50 after a restart on day 9 a fortnight is due on day 14, and on day 20 at once and then as the anchor says", () => {
      const next = (timetable: Timetable.Timetable, now: number) => {
        const { due: instants, nextTick } = due(timetable, { nextTick: at(14), now: at(now) }, 1)
        return [days(instants), days([nextTick])]
      }
      for (const timetable of [fixed, lastRun]) assert.deepStrictEqual(next(timetable, 9), [[], [14]])
      assert.deepStrictEqual(next(lastRun, 20), [[14], [34]])
      assert.deepStrictEqual(next(fixed, 20), [[14], [28]])
    })

    it("holds at most 1,000 instants in memory, after however long a time", () => {
      const instants = due(Timetable.every("1 millis"), { nextTick: at(0), now: at(365) }, Infinity).due
      assert.deepStrictEqual([instants.length, days(instants.slice(-1))], [1000, [365]])
    })

    it("S0.46 an interval may be milliseconds: 200 ms give 25 instants in 5 s", () => {
      const state = { nextTick: DateTime.makeUnsafe(200), now: DateTime.makeUnsafe(5000) }
      assert.strictEqual(due(Timetable.every("200 millis"), state, Infinity).due.length, 25)
    })

    it("gives the newest instants up to the limit, oldest first", () => {
      const state = { nextTick: at(14), now: at(14 * 5) }
      assert.deepStrictEqual(days(due(fixed, state, 2).due), [56, 70])
      assert.deepStrictEqual(days(due(fixed, state, 100).due), [14, 28, 42, 56, 70])
    })

    it.effect.prop(
      "leaves no instant out and gives none twice, however often and however late it is asked",
      {
        every: Schema.Int.check(Schema.isBetween({ minimum: 1000, maximum: 1_000_000 })),
        steps: Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 900_000 })))
      },
      ({ every, steps }) =>
        Effect.sync(() => {
          const timetable = Timetable.every(every, { anchor: "fixed" })
          let state = { nextTick: DateTime.makeUnsafe(every), now: DateTime.makeUnsafe(0) }
          const seen: Array<number> = []
          for (const step of steps) {
            state = { nextTick: state.nextTick, now: DateTime.add(state.now, { milliseconds: step }) }
            const { due: instants, nextTick } = due(timetable, state, Infinity)
            for (const instant of instants) seen.push(instant.epochMilliseconds)
            state = { nextTick, now: state.now }
          }
          const count = Math.floor(state.now.epochMilliseconds / every)
          assert.deepStrictEqual(seen.length, count)
          assert.isTrue(seen.every((instant, i) => instant === (i + 1) * every))
        }),
      { arbitrary: { runs: 100 } }
    )
  })
})

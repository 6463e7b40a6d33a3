import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { Timetable } from "ostinato/schedule"

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
      P1DT12H: 1.5 * day
    }
    for (const [text, everyMs] of Object.entries(intervals)) {
      it(`reads "${text}" as ${everyMs} ms`, () => {
        assert.deepStrictEqual(Timetable.parse(text), Result.succeed(Timetable.every(everyMs)))
      })
    }

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

    it("gives the newest instants up to the limit, oldest first", () => {
      const state = { nextTick: at(14), now: at(14 * 5) }
      assert.deepStrictEqual(days(due(fixed, state, 2).due), [56, 70])
      assert.deepStrictEqual(days(due(fixed, state, 100).due), [14, 28, 42, 56, 70])
    })

    it.effect.prop(
      "leaves no instant out and gives none twice, however often and however late it is asked",
      {
        every: Schema.Int.check(Schema.isBetween({ minimum: 1000, maximum: 1_000_000 })),
        steps: Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 3_000_000 })))
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

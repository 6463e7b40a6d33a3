import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import { PeriodicTask, ScheduleStore, Timetable } from "ostinato/schedule"

const at = (seconds: number) => DateTime.makeUnsafe(seconds * 1000)

const decide = (
  policy: Partial<Pick<PeriodicTask.PeriodicTask<never>, "overlap" | "missed">>,
  now: number,
  options?: { readonly open?: number; readonly atStart?: boolean }
) => {
  const timetable = Timetable.every("10 seconds", { anchor: "fixed" })
  const schedule = new ScheduleStore.Schedule({
    name: "s",
    task: "t",
    timetable,
    lastTick: null,
    nextTick: at(10),
    open: options?.open ?? 0
  })
  const advance = PeriodicTask.plan(
    { timetable, overlap: "skip", missed: "last", ...policy },
    options?.atStart ?? false
  )(
    schedule,
    at(now)
  )
  const seconds = (ticks: ReadonlyArray<DateTime.Utc>) => ticks.map((tick) => tick.epochMilliseconds / 1000)
  return {
    fire: seconds(advance.fire),
    skip: seconds(advance.skip),
    next: seconds([advance.nextTick])[0],
    atOnce: advance.atOnce
  }
}

describe("PeriodicTask", () => {
  describe("plan", () => {
    it("fires nothing before its time, but at a start that asks for it", () => {
      assert.deepStrictEqual(decide({}, 9), { fire: [], skip: [], next: 10, atOnce: 1 })
      assert.deepStrictEqual(decide({}, 9, { atStart: true }), { fire: [9], skip: [], next: 10, atOnce: 1 })
    })

    it("fires the tick that is due, and no extra one for the start", () => {
      assert.deepStrictEqual(decide({}, 10, { atStart: true }), { fire: [10], skip: [], next: 20, atOnce: 1 })
    })

    it("fires one for all that were missed: last", () => {
      assert.deepStrictEqual(decide({ missed: "last" }, 47).fire, [40])
    })

    it("fires none that was missed, but the one that is on time: skip", () => {
      assert.deepStrictEqual(decide({ missed: "skip" }, 47).fire, [])
      assert.deepStrictEqual(decide({ missed: "skip" }, 40), { fire: [40], skip: [], next: 50, atOnce: 1 })
    })

    it("fires the newest that were missed, oldest first and one after another: all", () => {
      assert.deepStrictEqual(decide({ missed: { all: 3 } }, 47), { fire: [20, 30, 40], skip: [], next: 50, atOnce: 1 })
      assert.strictEqual(decide({ missed: { all: 3 }, overlap: { allow: 2 } }, 47).atOnce, 2)
    })

    it("records ticks as skipped while as much is open as the overlap policy allows", () => {
      assert.deepStrictEqual(decide({}, 10, { open: 1 }), { fire: [], skip: [10], next: 20, atOnce: 1 })
      assert.deepStrictEqual(decide({ overlap: { allow: 2 } }, 10, { open: 1 }).fire, [10])
      assert.deepStrictEqual(decide({ overlap: { allow: 2 } }, 10, { open: 2 }).skip, [10])
    })
  })
})

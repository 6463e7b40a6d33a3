import { assert, describe, it } from "@effect/vitest"
import { check } from "../../scripts/prove/schedule/check.ts"
import { everyMs, type Line, names, type Row } from "../../scripts/prove/schedule/model.ts"
import { faults } from "../../scripts/prove/schedule/plan.ts"

const start = Date.UTC(2026, 0, 1)
const instant = (n: number) => new Date(start + n * everyMs).toISOString()
const first = new Map(names.map((name) => [name, instant(0)]))
const perSchedule = 3

/** What three ticks of every schedule leave when nothing goes wrong. */
const history = () => {
  const lines: Array<Line> = []
  const rows: Array<Row> = []
  for (const schedule of names) {
    for (let n = 0; n < perSchedule; n++) {
      const tick = instant(n)
      lines.push({ op: "begin", node: "node-0.1", schedule, tick }, { op: "end", node: "node-0.1", schedule, tick })
      rows.push({ schedule, tick, outcome: "completed", detail: null, begun: true, pids: [7] })
    }
  }
  return { lines, rows }
}

const judge = (
  change: (history: { lines: Array<Line>; rows: Array<Row> }) => void,
  killed: ReadonlyArray<string> = []
) => {
  const planted = history()
  change(planted)
  const verdict = check({
    ...planted,
    first,
    perSchedule,
    killed: { names: new Set(killed), pids: new Set(killed.length === 0 ? [] : [7]) }
  })
  return {
    lost: verdict.lost.length,
    double: verdict.double.length,
    stray: verdict.stray.length,
    misrecorded: verdict.misrecorded.length,
    cut: verdict.cut,
    cutUnexplained: verdict.cutUnexplained.length
  }
}

const well = { lost: 0, double: 0, stray: 0, misrecorded: 0, cut: 0, cutUnexplained: 0 }

describe("the checker of the suite schedule", () => {
  it("finds nothing where every tick ran once", () => {
    assert.deepStrictEqual(judge(() => {}), well)
  })

  it("finds a tick that nobody ran, also when no row mentions it", () => {
    assert.deepStrictEqual(
      judge(({ lines, rows }) => {
        lines.splice(0, 2)
        rows.splice(0, 1)
      }),
      { ...well, lost: 1, misrecorded: 1 }
    )
  })

  it("finds a tick that ran twice", () => {
    assert.deepStrictEqual(
      judge(({ lines }) => lines.push({ op: "begin", node: "node-1.1", schedule: "prove.a", tick: instant(0) })),
      { ...well, double: 1 }
    )
  })

  it("finds a run of an instant that was never due, and lets the nodes go on after the last one that counts", () => {
    assert.deepStrictEqual(
      judge(({ lines }) => {
        lines.push({ op: "begin", node: "node-0.1", schedule: "prove.a", tick: new Date(start + 50).toISOString() })
        lines.push({ op: "begin", node: "node-0.1", schedule: "prove.a", tick: instant(perSchedule) })
      }),
      { ...well, stray: 1 }
    )
  })

  it("finds a row that is open, and one that calls work done which was cut", () => {
    assert.deepStrictEqual(
      judge(({ lines, rows }) => {
        rows.splice(0, 1, {
          schedule: "prove.a",
          tick: instant(0),
          outcome: null,
          detail: null,
          begun: true,
          pids: [7]
        })
        lines.splice(3, 1)
      }),
      { ...well, misrecorded: 2, cut: 1, cutUnexplained: 1 }
    )
  })

  it("finds a row that calls work cut which ended, unless its process was killed before it could say so", () => {
    const unsaid = ({ rows }: ReturnType<typeof history>) =>
      rows.splice(0, 1, {
        schedule: "prove.a",
        tick: instant(0),
        outcome: "abandoned",
        detail: null,
        begun: true,
        pids: [7]
      })
    assert.deepStrictEqual(judge(unsaid), { ...well, misrecorded: 1 })
    assert.deepStrictEqual(judge(unsaid, ["node-0.1"]), well)
  })

  it("tells a tick that was begun and cut before its first step from one that never began", () => {
    const unwritten = (begun: boolean) => ({ lines, rows }: ReturnType<typeof history>) => {
      lines.splice(0, 2)
      rows.splice(0, 1, { schedule: "prove.a", tick: instant(0), outcome: "abandoned", detail: null, begun, pids: [7] })
    }
    assert.deepStrictEqual(judge(unwritten(true), ["node-0.1"]), { ...well, cut: 1 })
    assert.deepStrictEqual(judge(unwritten(true)), { ...well, cut: 1, cutUnexplained: 1 })
    assert.deepStrictEqual(judge(unwritten(false), ["node-0.1"]), { ...well, lost: 1 })
  })

  it("excuses a run that was cut because its process was killed", () => {
    assert.deepStrictEqual(
      judge(({ lines, rows }) => {
        lines.splice(1, 1)
        rows.splice(0, 1, {
          schedule: "prove.a",
          tick: instant(0),
          outcome: "abandoned",
          detail: null,
          begun: true,
          pids: [7]
        })
      }, ["node-0.1"]),
      { ...well, cut: 1 }
    )
  })

  it("deals the same faults for the same seed, of every kind", () => {
    assert.deepStrictEqual(faults(7, 3, 50), faults(7, 3, 50))
    assert.notDeepEqual(faults(7, 3, 50), faults(8, 3, 50))
    assert.deepStrictEqual(new Set(faults(7, 3, 50).map(({ kind }) => kind)), new Set(["kill", "pause", "restart"]))
  })
})

import { assert, describe, it } from "@effect/vitest"
import type { Dealt } from "../../scripts/prove/jobs/causes.ts"
import { check, type History, isKept, type Verdict } from "../../scripts/prove/jobs/check.ts"
import { type Line, type Payload, poisonExit, type Row } from "../../scripts/prove/jobs/model.ts"
import { counts, type Fault, faults, squallMs, workers } from "../../scripts/prove/jobs/plan.ts"
import { percentile } from "../../scripts/prove/jobs/rescue.ts"
import type { Life } from "../../scripts/prove/processes.ts"

const life = (name: string, end?: Life["end"]): Life => ({
  name,
  place: name.replace(/\.\d+$/, ""),
  pid: 7,
  end,
  stops: []
})

type Draft = {
  lines: Array<Line>
  rows: Array<Row>
  effects: Array<string>
  lives: Array<Life>
  dealt: { -readonly [K in keyof Dealt]: Array<Dealt[K][number]> }
}

const job = (draft: Draft, id: string, payload: Partial<Payload> = {}) => {
  const key = `p-${id}`
  const whole = { key, kind: "quick", tx: false, ms: 2, ...payload } as const
  draft.lines.push({ op: "try", key }, { op: "ack", key, id })
  draft.rows.push({ id, payload: whole, state: "completed", epoch: 1 })
  if (whole.tx) draft.effects.push(key)
  return key
}

interface Attempt {
  readonly proc?: string
  readonly epoch?: number
  readonly at?: number
  readonly how?: "done" | "planned" | "failed" | "fenced" | "interrupted"
  readonly accepted?: boolean
  readonly outcome?: string
}

const run = (
  draft: Draft,
  id: string,
  { accepted = true, at = 1000, epoch = 1, how, outcome = "completed", proc = "worker-0.1" }: Attempt
) => {
  draft.lines.push(
    { op: "claim", proc, id, epoch, attempt: 1, lost: 0, at },
    { op: "start", proc, id, key: `p-${id}`, epoch, at: at + 1 }
  )
  if (how === undefined) return
  draft.lines.push({ op: "end", proc, id, epoch, how, at: at + 5 })
  if (how !== "fenced") draft.lines.push({ op: "finish", proc, id, epoch, outcome, accepted, at: at + 6 })
}

/** A plain job, a transactional one, one that failed once, one that a kill interrupted, and poison. */
const wellDone = (): Draft => {
  const draft: Draft = {
    lines: [],
    rows: [],
    effects: [],
    lives: [
      life("worker-0.1", { at: 2000, how: "SIGKILL", by: "kill" }),
      life("worker-0.2", { at: 9000, how: poisonExit, by: "itself" }),
      life("worker-1.1")
    ],
    dealt: { restarts: [], holes: [], cuts: [] }
  }
  job(draft, "1")
  run(draft, "1", { how: "done" })
  job(draft, "2", { tx: true })
  run(draft, "2", { how: "done" })
  job(draft, "3", { kind: "flaky" })
  run(draft, "3", { how: "planned", outcome: "retry" })
  run(draft, "3", { how: "done", epoch: 2, at: 1100, proc: "worker-1.1" })
  draft.rows[2] = { ...draft.rows[2]!, epoch: 2 }
  job(draft, "4")
  run(draft, "4", { at: 1900 })
  run(draft, "4", { how: "done", epoch: 3, at: 7000, proc: "worker-1.1" })
  draft.rows[3] = { ...draft.rows[3]!, epoch: 3 }
  job(draft, "5", { kind: "exit" })
  run(draft, "5", { at: 8900, proc: "worker-0.2" })
  draft.rows[4] = { ...draft.rows[4]!, state: "discarded" }
  return draft
}

const judge = (plant: (draft: Draft) => void = () => {}): Verdict => {
  const draft = wellDone()
  plant(draft)
  return check(draft satisfies History)
}

/** The names of the lists that are not empty. */
const broken = (plant: (draft: Draft) => void): ReadonlyArray<string> =>
  Object.entries(judge(plant)).filter(([name, value]) => Array.isArray(value) && value.length > 0 && name !== "rescues")
    .map(([name]) => name)

describe("the checker of the suite jobs", () => {
  it("finds nothing where everything went as promised, and says why jobs were started again", () => {
    const verdict = judge()
    assert.isTrue(isKept(verdict))
    assert.deepInclude(verdict, { acked: 5, done: 4, discarded: 1, starts: 7, transactional: 1, effects: 1, deaths: 1 })
    assert.deepStrictEqual(verdict.explained, { retry: 1, outage: 0, kill: 1, poison: 0, stop: 0, hole: 0 })
    assert.deepStrictEqual(verdict.rescues, { eligible: [5000], others: [] })
  })

  it("finds a job that was acknowledged and is not there", () => {
    assert.deepStrictEqual(broken(({ rows }) => rows.splice(0, 1)), ["lost"])
  })

  it("finds a job that never ended", () => {
    assert.deepStrictEqual(
      broken(({ rows }) => rows[0] = { ...rows[0]!, state: "running", epoch: null }),
      // what its worker was told does not hold either
      ["live", "unfenced"]
    )
  })

  it("finds a job that is there although its transaction was rolled back, and one that nobody asked for", () => {
    assert.deepStrictEqual(broken(({ lines }) => lines.push({ op: "undone", key: "p-1" })), ["ghosts"])
    assert.deepStrictEqual(
      broken((draft) => {
        draft.rows.push({ ...draft.rows[0]!, id: "9", payload: { ...draft.rows[0]!.payload, key: "p-9" } })
        draft.lines.push({ op: "end", proc: "worker-1.1", id: "9", epoch: 1, how: "done", at: 1 })
      }),
      ["ghosts"]
    )
  })

  it("finds two rows for one request whose answer was lost", () => {
    assert.deepStrictEqual(
      broken((draft) => {
        draft.rows.push({ ...draft.rows[0]!, id: "9" })
        draft.lines.push({ op: "end", proc: "worker-1.1", id: "9", epoch: 1, how: "done", at: 1 })
      }),
      ["twice"]
    )
  })

  it("finds a start for which there was no cause", () => {
    const again = (draft: Draft) => run(draft, "1", { epoch: 3, at: 1500, proc: "worker-1.1" })
    assert.deepStrictEqual(broken(again), ["unexplained"])
    assert.match(judge(again).unexplained[0]!, /p-1 \(job 1\): epoch 1 at worker-0.1 done, then epoch 3 at worker-1.1/)
  })

  it("finds two starts of one claim", () => {
    assert.deepStrictEqual(
      broken(({ lines }) => lines.push({ op: "start", proc: "worker-0.1", id: "1", key: "p-1", epoch: 1, at: 1200 })),
      ["unexplained"]
    )
  })

  it("excuses a start after a failure only where the database was touched", () => {
    const failed = (draft: Draft) => {
      draft.lines = draft.lines.map((line) =>
        line.op === "end" && line.how === "planned" ? { ...line, how: "failed" } : line
      )
    }
    assert.deepStrictEqual(broken(failed), ["unexplained"])
    const cut = judge((draft) => {
      failed(draft)
      draft.dealt.cuts.push({ at: 900, place: "worker-0" })
    })
    assert.isTrue(isKept(cut))
    assert.strictEqual(cut.explained.outage, 1)
  })

  it("excuses a start after a stop or a hole only where that was long, and theirs", () => {
    const stopped = (from: number, until: number) => (draft: Draft) => {
      job(draft, "6")
      run(draft, "6", { at: 10_000, proc: "worker-1.1", how: "fenced" })
      run(draft, "6", { at: 50_000, proc: "worker-1.2", epoch: 3, how: "done" })
      draft.rows[5] = { ...draft.rows[5]!, epoch: 3 }
      draft.lives[2] = { ...life("worker-1.1"), stops: [{ from, until }] }
      draft.lives.push(life("worker-1.2"))
    }
    assert.deepStrictEqual(broken(stopped(10_500, 15_000)), ["unexplained"])
    assert.deepStrictEqual(broken(stopped(60_000, 100_000)), ["unexplained"])
    const verdict = judge(stopped(10_500, 46_000))
    assert.isTrue(isKept(verdict))
    assert.strictEqual(verdict.explained.stop, 1)
    assert.deepStrictEqual(verdict.rescues.others, [39_500])
    assert.strictEqual(verdict.fenced, 1)
    // the server closed the connection that beats, so the stopped process looks like one that is gone
    const closed = judge((draft) => {
      stopped(10_500, 15_000)(draft)
      draft.dealt.restarts.push({ from: 8000, until: 9000 })
    })
    assert.strictEqual(closed.explained.stop, 1)
    // it went on with what it had claimed before, when the next worker had done it
    const late = judge((draft) => {
      stopped(10_500, 60_000)(draft)
      draft.lines = draft.lines.map((line) =>
        line.op === "start" && line.proc === "worker-1.1" && line.id === "6" ? { ...line, at: 60_001 } : line
      )
    })
    assert.strictEqual(late.explained.stop, 1)
    const hole = (place: string) => (draft: Draft) => {
      stopped(10_500, 10_600)(draft)
      draft.dealt.holes.push({ place, from: 10_500, until: 46_000 })
    }
    assert.deepStrictEqual(broken(hole("worker-0")), ["unexplained"])
    assert.strictEqual(judge(hole("worker-1")).explained.hole, 1)
  })

  it("finds the write of an older attempt that was not refused", () => {
    assert.deepStrictEqual(
      broken(({ lines }) =>
        lines.push(
          { op: "finish", proc: "worker-0.1", id: "4", epoch: 1, outcome: "retry", accepted: true, at: 7500 }
        )
      ),
      ["unfenced"]
    )
    assert.deepStrictEqual(
      broken(({ lines }) =>
        lines.push(
          { op: "finish", proc: "worker-0.1", id: "4", epoch: 1, outcome: "completed", accepted: true, at: 1950 }
        )
      ),
      ["unfenced"]
    )
    assert.strictEqual(
      judge(({ lines }) =>
        lines.push(
          { op: "finish", proc: "worker-0.1", id: "4", epoch: 1, outcome: "completed", accepted: false, at: 7500 }
        )
      ).fenced,
      1
    )
  })

  it("finds an effect that is missing, doubled, or there without its completion", () => {
    assert.deepStrictEqual(broken(({ effects }) => effects.pop()), ["wrongEffects"])
    assert.deepStrictEqual(broken(({ effects }) => effects.push("p-2")), ["wrongEffects"])
    assert.deepStrictEqual(broken(({ effects }) => effects.push("p-5")), ["wrongEffects"])
  })

  it("finds a job that is called completed and nobody did", () => {
    assert.deepStrictEqual(
      broken((draft) => {
        draft.lines = draft.lines.filter((line) => !(line.op === "end" && line.id === "1"))
      }),
      ["unworked"]
    )
  })

  it("finds poison that ended a fourth process, and a good job that was discarded in its company", () => {
    assert.deepStrictEqual(
      broken((draft) => {
        for (const n of [3, 4, 5]) {
          draft.lives.push(life(`worker-0.${n}`, { at: n * 10_000, how: "SIGABRT", by: "itself" }))
          run(draft, "5", { at: n * 10_000 - 100, proc: `worker-0.${n}`, epoch: n * 2 })
        }
      }),
      ["misjudged"]
    )
    assert.deepStrictEqual(
      broken(({ lines, rows }) => {
        rows[3] = { ...rows[3]!, state: "discarded" }
        lines.push({ op: "finish", proc: "worker-1.1", id: "4", epoch: 3, outcome: "discarded", accepted: true, at: 7 })
      }),
      ["misjudged"]
    )
  })

  it("tells a good job whose worker was killed while it ran alone from one that was discarded for nothing", () => {
    const lostThrice = (last: Life["end"], isBegun = true) => (draft: Draft) => {
      job(draft, "6")
      draft.rows[5] = { ...draft.rows[5]!, state: "discarded", epoch: 5 }
      for (const n of [3, 4, 5]) {
        const end = n === 5 ? last : { at: n * 10_000, how: poisonExit, by: "itself" } as const
        draft.lives.push(life(`worker-0.${n}`, end))
        run(draft, "6", { at: n * 10_000 - 100, proc: `worker-0.${n}`, epoch: n * 2 - 5 })
      }
      if (!isBegun) {
        draft.lines = draft.lines.filter((line) => !(line.op === "start" && line.id === "6" && line.epoch === 5))
      }
    }
    const unlucky = judge(lostThrice({ at: 50_000, how: "SIGKILL", by: "kill" }))
    assert.isTrue(isKept(unlucky))
    assert.strictEqual(unlucky.unlucky, 1)
    assert.deepStrictEqual(broken(lostThrice({ at: 50_000, how: "SIGKILL", by: "kill" }, false)), ["misjudged"])
    const stopped = (at: number, isWhole: boolean) => (draft: Draft) => {
      lostThrice(undefined)(draft)
      draft.lives = draft.lives.map((one) =>
        one.name === "worker-0.5" ? { ...one, stops: [{ from: 49_000, until: 83_000 }] } : one
      )
      draft.dealt.cuts.push({ at, place: "worker-0", isWhole })
    }
    assert.strictEqual(judge(stopped(50_000, true)).unlucky, 1)
    assert.deepStrictEqual(broken(stopped(50_000, false)), ["misjudged"])
    assert.deepStrictEqual(broken(stopped(84_000, true)), ["misjudged"])
    const taken = judge(lostThrice({ at: 50_000, how: poisonExit, by: "itself" }))
    assert.match(taken.misjudged[0] ?? "", /p-6 .* was discarded: .*epoch 5 with worker-0.5 by poison/)
  })

  it("counts a rescue around a restart of the server apart", () => {
    assert.deepStrictEqual(
      judge(({ dealt }) => dealt.restarts.push({ from: -9000, until: -7500 })).rescues,
      { eligible: [], others: [5000] }
    )
  })

  it("gives the percentile by the nearest rank", () => {
    const all = Array.from({ length: 100 }, (_, n) => 100 - n)
    assert.deepStrictEqual([percentile(all, 50), percentile(all, 99), percentile([], 99)], [50, 99, 0])
  })
})

describe("the plan of the suite jobs", () => {
  it("deals the same faults for the same seed, as many of every kind as it says", () => {
    assert.deepStrictEqual(faults(7, 1), faults(7, 1))
    assert.notDeepEqual(faults(7, 1), faults(8, 1))
    for (let seed = 1; seed <= 40; seed++) {
      const dealt = Map.groupBy(faults(seed, 1), ({ kind }) => kind)
      assert.deepStrictEqual(Object.fromEntries(Array.from(dealt, ([kind, all]) => [kind, all.length])), counts)
    }
  })

  it("deals ten squalls to a storm, none of them like another", () => {
    const storm = Map.groupBy(faults(7, 10), ({ at }) => Math.floor(at / squallMs))
    assert.deepStrictEqual(Array.from(storm.keys()), Array.from({ length: 10 }, (_, n) => n))
    for (const part of storm.values()) assert.lengthOf(part, Object.values(counts).reduce((sum, n) => sum + n, 0))
    assert.deepStrictEqual(storm.get(0), faults(7, 1))
    const firsts = Array.from(storm.values(), ([first]) => first!.at % squallMs)
    assert.strictEqual(new Set(firsts).size, 10)
  })

  it("never takes three workers away at once, and kills only while another one works", () => {
    const longs = (all: ReadonlyArray<Fault>) =>
      all.flatMap((one) => one.kind === "stop" || one.kind === "hole" ? [one] : [])
    for (let seed = 1; seed <= 40; seed++) {
      const all = faults(seed, 1)
      const away = (at: number) =>
        new Set(longs(all).filter((one) => one.at <= at && one.at + one.forMs >= at).map(({ place }) => place))
      for (const one of all) assert.isAtMost(away(one.at).size, 2)
      for (const one of all) {
        if (one.kind !== "kill") continue
        assert.isFalse(away(one.at).has(one.place))
        assert.isTrue(workers.some((other) => other !== one.place && !away(one.at).has(other)))
      }
    }
  })
})

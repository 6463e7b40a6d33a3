import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import { ScheduleStore, type Tick, Timetable } from "ostinato/schedule"
import * as Decide from "ostinato/schedule/Decide"
import * as SchedulePolicy from "ostinato/schedule/SchedulePolicy"

const at = (seconds: number) => DateTime.makeUnsafe(seconds * 1000)
const seconds = (ticks: ReadonlyArray<DateTime.Utc>) => ticks.map((tick) => tick.epochMilliseconds / 1000)

interface Given {
  readonly now: number
  readonly policy?: Partial<SchedulePolicy.SchedulePolicy>
  readonly unfinished?: ReadonlyArray<readonly [at: number, state: Tick.Unfinished["state"], stoppingMs?: number]>
  readonly question?: Partial<Decide.Question>
  readonly paused?: boolean
  readonly timetable?: Timetable.Timetable
  readonly lastTick?: number
  readonly nextTick?: number
  readonly delayMs?: number
}

/** A schedule that is due at 10 s, 20 s, 30 s …, and what it decides. */
const decide = Effect.fnUntraced(function*(given: Given) {
  const timetable = given.timetable ?? Timetable.every("10 seconds", { anchor: "fixed" })
  const unfinished = (given.unfinished ?? []).map(([seconds, state, stoppingMs]) => ({
    tick: at(seconds),
    state,
    stoppingMs: stoppingMs ?? null,
    asked: null
  }))
  const schedule = new ScheduleStore.Schedule({
    name: "s",
    task: "t",
    source: "code",
    tenant: null,
    timetable: Timetable.stored(timetable),
    policy: { ...SchedulePolicy.standard, ...given.policy },
    payload: null,
    paused: given.paused ?? false,
    orphaned: false,
    revision: 1,
    lastTick: given.lastTick === undefined ? null : at(given.lastTick),
    nextTick: at(given.nextTick ?? 10),
    progress: { phase: "waiting", tick: null, steps: null },
    delayMs: given.delayMs ?? null,
    open: 0,
    waiting: 0
  })
  const question = { fires: true, random: 0.5, timetable, ...given.question }
  const decision = yield* Decide.decide(question)({ schedule, unfinished, now: at(given.now) })
  return {
    record: seconds(decision.record.map(({ tick }) => tick)),
    skip: seconds(decision.skip.map(({ tick }) => tick)),
    start: seconds(decision.start),
    stop: seconds(decision.stop),
    abandon: seconds(decision.abandon),
    next: decision.place.nextTick === null ? null : seconds([decision.place.nextTick])[0],
    missed: decision.missed,
    decision
  }
})

const asked = { trigger: { kind: "code" as const }, origin: { tenant: null, actor: null } }

describe("Decide", () => {
  it.effect("starts nothing before its time, but at a start that asks for it", () =>
    Effect.gen(function*() {
      assert.deepInclude(yield* decide({ now: 9 }), { record: [], start: [], skip: [], next: 10, missed: 0 })
      assert.deepInclude(yield* decide({ now: 9, question: { extra: "start" } }), { start: [9], next: 10 })
      assert.deepInclude(yield* decide({ now: 9, question: { extra: "start" }, paused: true }), { start: [], next: 10 })
    }))

  it.effect("starts the tick that is due, and no extra one for the start", () =>
    Effect.gen(function*() {
      assert.deepInclude(yield* decide({ now: 10, question: { extra: "start" } }), { start: [10], next: 20 })
    }))

  it.effect("S1.41 makes up for missed ticks as its policy says, and counts the others", () =>
    Effect.gen(function*() {
      assert.deepInclude(yield* decide({ now: 47, policy: { missed: "last" } }), { start: [40], missed: 3 })
      assert.deepInclude(yield* decide({ now: 47, policy: { missed: "skip" } }), { start: [], missed: 4, next: 50 })
      assert.deepInclude(yield* decide({ now: 40, policy: { missed: "skip" } }), { start: [40], missed: 3, next: 50 })
      assert.deepInclude(yield* decide({ now: 47, policy: { missed: { all: 3 } } }), {
        record: [20, 30, 40],
        start: [20],
        missed: 1,
        next: 50
      })
      assert.deepInclude(yield* decide({ now: 47, policy: { missed: { all: 3 }, overlap: { allow: 2 } } }), {
        record: [20, 30, 40],
        start: [20, 30]
      })
    }))

  const overlap: ReadonlyArray<readonly [string, Given, object]> = [
    ["skip: while one runs", { now: 10, unfinished: [[5, "running"]] }, { skip: [10], start: [] }],
    ["skip: while one is claimed", { now: 10, unfinished: [[5, "claimed"]] }, { skip: [10], start: [] }],
    ["skip: while one waits, which starts", { now: 10, unfinished: [[5, "waiting"]] }, { skip: [10], start: [5] }],
    ["queue-one: one waits", { now: 10, policy: { overlap: "queue-one" }, unfinished: [[5, "running"]] }, {
      record: [10],
      skip: [],
      start: []
    }],
    ["queue-one: no second one", {
      now: 10,
      policy: { overlap: "queue-one" },
      unfinished: [[5, "running"], [6, "waiting"]]
    }, { record: [], skip: [10], start: [] }],
    ["queue-one: the one that waits starts", {
      now: 9,
      policy: { overlap: "queue-one" },
      unfinished: [[6, "waiting"]]
    }, { start: [6] }],
    ["allow 2: beside one", { now: 10, policy: { overlap: { allow: 2 } }, unfinished: [[5, "running"]] }, {
      start: [10]
    }],
    ["allow 2: beside one that waits, which starts too", {
      now: 10,
      policy: { overlap: { allow: 2 } },
      unfinished: [[5, "waiting"]]
    }, { start: [5, 10], skip: [] }],
    ["allow 2: not beside two", {
      now: 10,
      policy: { overlap: { allow: 2 } },
      unfinished: [[5, "running"], [6, "running"]]
    }, { skip: [10], start: [] }],
    ["allow 3: one that waits again, because its node went, takes one of three", {
      now: 10,
      policy: { overlap: { allow: 3 } },
      unfinished: [[5, "running"], [6, "waiting"]]
    }, { skip: [], start: [6, 10] }],
    ["allow 2: nor beside one that runs and one that waits", {
      now: 10,
      policy: { overlap: { allow: 2 } },
      unfinished: [[5, "running"], [6, "waiting"]]
    }, { skip: [10], start: [6] }],
    ["replace: the earlier one is asked to stop", {
      now: 10,
      policy: { overlap: "replace" },
      unfinished: [[5, "running"]]
    }, { record: [10], start: [], stop: [5], skip: [] }],
    ["replace: the newest waits alone", {
      now: 10,
      policy: { overlap: "replace" },
      unfinished: [[5, "running", 100], [6, "waiting"]]
    }, { record: [10], start: [], stop: [], skip: [6] }],
    ["replace: one that does not stop is given up", {
      now: 9,
      policy: { overlap: "replace" },
      unfinished: [[5, "running", 10_000], [6, "waiting"]]
    }, { abandon: [5], start: [6] }]
  ]
  for (const [name, given, expected] of overlap) {
    it.effect(`S0.9 overlap ${name}`, () =>
      Effect.map(decide(given), (decided) => assert.deepInclude(decided, expected)))
  }

  it.effect("runs when asked at an instant of its own, whatever the timetable, and says what became of it", () =>
    Effect.gen(function*() {
      const extra = { extra: asked }
      const idle = yield* decide({ now: 5, question: extra })
      assert.deepInclude(idle, { start: [5], next: 10 })
      assert.deepInclude(idle.decision.extra, { skipped: null, starts: true })
      assert.deepInclude(yield* decide({ now: 5, lastTick: 5, question: extra }), { start: [5.001] })
      assert.deepInclude(yield* decide({ now: 5, lastTick: 9.999, question: extra }), { start: [10.001], next: 10 })
      assert.deepInclude(yield* decide({ now: 5, paused: true, question: extra }), { start: [5] })
      const busy = yield* decide({ now: 5, unfinished: [[4, "running"]], question: extra })
      assert.deepInclude(busy.decision.extra, { skipped: "lock held: 1 earlier run(s) have not ended", starts: false })
    }))

  it.effect("passes over what comes during a pause, and what came unseen before its end", () =>
    Effect.gen(function*() {
      assert.deepInclude(yield* decide({ now: 47, paused: true }), { record: [], start: [], next: 50, missed: 0 })
      const resumed = yield* decide({ now: 47, paused: true, question: { paused: false } })
      assert.deepInclude(resumed, { record: [], next: 50 })
      assert.isFalse(resumed.decision.paused)
    }))

  it.effect("fires no tick where schedules are disabled, but what somebody asked for", () =>
    Effect.gen(function*() {
      assert.deepInclude(yield* decide({ now: 47, question: { fires: false } }), { record: [], start: [], next: 10 })
      assert.deepInclude(yield* decide({ now: 47, unfinished: [[5, "waiting"]], question: { fires: false } }), {
        start: []
      })
      assert.deepInclude(yield* decide({ now: 47, question: { fires: false, extra: asked } }), { start: [47] })
    }))

  it.effect("fires a tick no earlier than its jitter says, and the tick keeps its instant", () =>
    Effect.gen(function*() {
      const policy = { jitterMs: 4000 }
      const drawn = yield* decide({ now: 9, policy })
      assert.deepStrictEqual([drawn.decision.delayMs, seconds([drawn.decision.wakeAt])], [2000, [12]])
      assert.deepInclude(yield* decide({ now: 11, policy, delayMs: 2000 }), { start: [], next: 10 })
      const fired = yield* decide({ now: 12, policy, delayMs: 2000, question: { random: 0.25 } })
      assert.deepInclude(fired, { start: [10], next: 20 })
      assert.strictEqual(fired.decision.delayMs, 1000)
    }))

  it.effect("waits for the end of a run where the timetable counts from there, however it ends", () =>
    Effect.gen(function*() {
      const timetable = Timetable.spaced("10 seconds")
      const fired = yield* decide({ now: 12, timetable })
      assert.deepInclude(fired, { start: [10], next: null })
      assert.deepInclude(yield* decide({ now: 12, timetable, unfinished: [[5, "running"]] }), { skip: [10], next: 22 })
      assert.deepInclude(yield* decide({ now: 12, timetable, paused: true }), { start: [], next: 22 })
    }))
})

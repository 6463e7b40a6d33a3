/** What schedulers on several nodes promise, whatever becomes of nodes and stores. */
import { assert } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import { Attempt, Dispatch, Task } from "ostinato"
import { PeriodicTask, type ScheduleStore, TaskScheduler, Timetable } from "ostinato/schedule"
import { type Faults, Simulation, TestTasks } from "ostinato/testing"

const hour = 3_600_000
const minute = 60_000
const Work = Task.make("simulated.work")

const often = (every: Duration.Input, missed?: PeriodicTask.Missed) =>
  PeriodicTask.make("often", {
    timetable: Timetable.every(every, { anchor: "fixed" }),
    task: Work,
    payload: {},
    dispatch: Dispatch.here,
    missed
  })

/** Every tick is run at most once, and none is lost, whatever crashes and whatever a store answers. */
export const ticksHold = (
  schedules?: Layer.Layer<ScheduleStore.ScheduleStore>,
  faults: Faults.Rates = { unavailable: 0.05, unknown: 0.05, delay: 0.3, crash: 0.03, pause: 0.03, longest: "3 hours" },
  hours = 24
) =>
  Effect.gen(function*() {
    const executed: Array<string> = []
    const handler = Work.toLayer(() =>
      Effect.gen(function*() {
        executed.push((yield* Attempt.Attempt).runId)
        yield* Effect.sleep(yield* Random.nextIntBetween(0, 6000))
      })
    )
    const nodes = yield* TestTasks.nodes(
      TaskScheduler.layer([often("1 hour", { all: 100 })], { poll: "20 minutes" }).pipe(Layer.provide(handler)),
      {
        nodes: 3,
        crashes: { every: hours < 24 ? "1 hour" : "5 hours", down: "2 hours" },
        faults,
        schedules
      }
    )
    yield* Effect.sleep(`${hours} hours`)
    yield* nodes.calm
    yield* Effect.sleep("90 minutes")
    const ticks = yield* nodes.ticks("often")
    const instants = ticks.map(({ tick }) => Math.floor(DateTime.toEpochMillis(tick) / hour))
    assert.deepStrictEqual(instants, Array.from({ length: hours + 1 }, (_, n) => n + 1), "no tick is lost or doubled")
    assert.notInclude(ticks.map(({ outcome }) => outcome), null, "every tick is closed in the end")
    const ran = (yield* nodes.runs).filter(({ id }) => executed.includes(id)).map(({ trigger }) =>
      trigger.kind === "schedule" ? DateTime.formatIso(trigger.tick) : "no tick"
    )
    assert.strictEqual(new Set(ran).size, ran.length, "a tick makes at most one run")
    assert.strictEqual(new Set(executed).size, executed.length)
  })

/** With overlap `skip` no two runs of a schedule are at work at once, however long they take. */
export const overlapHolds = (schedules?: Layer.Layer<ScheduleStore.ScheduleStore>) =>
  Effect.gen(function*() {
    let running = 0
    let ran = 0
    yield* Simulation.always("no two runs at once", () => running <= 1)
    const handler = Work.toLayer(() =>
      Effect.gen(function*() {
        running += 1
        ran += 1
        yield* Effect.sleep(yield* Random.nextIntBetween(0, 30 * minute))
      }).pipe(Effect.ensuring(Effect.sync(() => running -= 1)))
    )
    const nodes = yield* TestTasks.nodes(
      TaskScheduler.layer([often("10 minutes")], { poll: "1 hour" }).pipe(Layer.provide(handler)),
      { nodes: 2, faults: { delay: 0.2 }, schedules }
    )
    yield* Effect.sleep("2 hours")
    yield* nodes.calm
    yield* Effect.sleep("1 hour")
    assert.isAtLeast(ran, 3)
    yield* nodes.stop
    assert.strictEqual(running, 0)
  })

import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import { Dispatch, Supervisor, Task } from "ostinato"
import { PeriodicTask, TaskScheduler, Timetable } from "ostinato/schedule"
import { stores } from "./OneSchedule.ts"

const Work = Task.fn("test.work", {}, () => Effect.void)

const make = (options: Partial<Pick<Parameters<typeof PeriodicTask.make>[1], "jitter" | "missed" | "overlap">>) =>
  PeriodicTask.make("test.schedule", {
    timetable: Timetable.every("1 day"),
    task: Work,
    payload: {},
    dispatch: Dispatch.here,
    ...options
  })

describe("PeriodicTask", () => {
  it("a rule that no store could keep is refused where it is written, with the schedule, the value and what is allowed", () => {
    assert.throws(
      () => make({ missed: { all: 100_000 } }),
      `schedule "test.schedule" is not valid: missed {"all":100000} is not allowed: give "last", "skip" or { all: n } with n from 1 to 1000`
    )
    assert.throws(
      () => make({ overlap: { allow: 0 } }),
      `overlap {"allow":0} is not allowed: give "skip", "queue-one", "replace" or { allow: n } with n from 1 to 1000`
    )
    assert.throws(
      () => make({ jitter: "25 days" }),
      "jitterMs 2160000000 is not allowed: give a jitter of 0 to 24 days"
    )
    const { policy } = make({ missed: { all: 1000 }, overlap: { allow: 1000 }, jitter: "24 days" })
    assert.deepStrictEqual(policy, { missed: { all: 1000 }, overlap: { allow: 1000 }, jitterMs: 2_073_600_000 })
  })

  it.effect("two schedules of one name are refused when the scheduler is built, where one would hide the other", () =>
    Effect.gen(function*() {
      const built = yield* Effect.exit(
        Effect.scoped(Layer.build(TaskScheduler.layer([make({}), make({})]).pipe(Layer.provide(Supervisor.layer))))
      )
      assert.isTrue(Exit.isFailure(built))
      const message = Exit.isFailure(built) ? Cause.pretty(built.cause) : ""
      assert.include(message, `schedule "test.schedule" is not valid: this program has two schedules of that name`)
    }).pipe(Effect.provide(stores)))
})

import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { MemoryScheduleStore, SchedulePolicy, ScheduleStore, Timetable } from "ostinato/schedule"
import * as TickRunner from "ostinato/schedule/TickRunner"

describe("TickRunner", () => {
  it.effect("S1.21 a tick that is claimed here again keeps its lease when the older claim is given up", () =>
    Effect.gen(function*() {
      const store = yield* ScheduleStore.ScheduleStore
      const schedule = yield* store.register({
        name: "test.again",
        task: "test.task",
        timetable: Timetable.every("1 day"),
        policy: SchedulePolicy.standard,
        source: "code",
        tenant: null,
        payload: null
      })
      const renewed: Array<number> = []
      const answer = yield* Deferred.make<boolean>()
      const begun = yield* Deferred.make<void>()
      const runner = TickRunner.make({
        ...store,
        begin: ({ epoch }) =>
          epoch === 1 ? Deferred.await(answer) : Effect.as(Deferred.succeed(begun, undefined), true),
        renew: (claims) => {
          renewed.push(...claims.map(({ epoch }) => epoch))
          return Effect.succeed({ lost: [], stop: [] })
        }
      }, () => Effect.void)
      const run = (epoch: number) =>
        runner.run(
          schedule,
          [{ schedule: "test.again", tick: DateTime.makeUnsafe(0), epoch, asked: null }],
          () => Effect.never,
          false
        )
      const older = yield* Effect.forkChild(run(1), { startImmediately: true })
      const newer = yield* Effect.forkChild(run(2))
      yield* Deferred.await(begun)
      yield* Deferred.succeed(answer, false)
      yield* Fiber.join(older)
      yield* runner.renew
      assert.deepStrictEqual(renewed, [2])
      yield* Fiber.interrupt(newer)
    }).pipe(Effect.provide(MemoryScheduleStore.layer)))
})

/** Several processes on one store: here in memory, under TestClock; with real Postgres in test/integration/schedule. */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { Dispatch, RunContext, RunLog, Supervisor, Task } from "ostinato"
import { PeriodicTask, ScheduleStore, TaskScheduler, Timetable } from "ostinato/schedule"
import { pass, quiet, settle, stores } from "./OneSchedule.ts"

const Mail = Task.make("test.mail", { payload: { to: Schema.String } })

interface Sent {
  readonly at: number
  readonly node: string
  readonly to: string
  readonly tenant: string | null
}

/** A process: with these schedules in its code, and mail that may be scheduled. */
const node = Effect.fnUntraced(function*(
  name: string,
  sent: Array<Sent>,
  options?: { readonly code?: Timetable.Timetable; readonly work?: Effect.Effect<void>; readonly knows?: boolean }
) {
  const live = Mail.toLayer(({ to }) =>
    Effect.gen(function*() {
      const { tenant } = yield* RunContext.RunContext
      sent.push({ at: (yield* Clock.currentTimeMillis) / 1000, node: name, to, tenant })
      yield* options?.work ?? Effect.void
    })
  )
  const code = options?.code === undefined ? [] : [PeriodicTask.make("test.code", {
    timetable: options.code,
    task: Mail,
    payload: { to: "code" },
    dispatch: Dispatch.here
  })]
  const schedulable = options?.knows === false ? [] : [PeriodicTask.schedulable(Mail, Dispatch.here)]
  const scope = yield* Scope.make()
  const context = yield* Scope.provide(
    Layer.build(
      Layer.fresh(
        TaskScheduler.layer(code, { schedulable, drain: "1 second", poll: "5 seconds" }).pipe(
          Layer.provide([live, Supervisor.layer])
        )
      )
    ),
    scope
  )
  const scheduler = Context.get(context, TaskScheduler.TaskScheduler)
  yield* scheduler.start
  yield* settle
  return { ...scheduler, close: Scope.close(scope, Exit.void) }
})

const minute = {
  task: "test.mail",
  payload: { to: "all" },
  timetable: Timetable.every("1 minute", { anchor: "fixed" })
}
const times = (sent: ReadonlyArray<Sent>) => sent.map(({ at }) => at)

describe("schedules across nodes", () => {
  it.effect("S1.21 each of 1,000 ticks runs once, whichever of three nodes is first, while nodes go and come back", () => {
    const sent: Array<Sent> = []
    return Effect.gen(function*() {
      const code = Timetable.every("100 millis", { anchor: "fixed" })
      const nodes = yield* Effect.forEach(["a", "b", "c"], (name) => node(name, sent, { code }))
      for (const name of ["d", "e", "f", "g", "h", "i", "j", "k", "l", "m"]) {
        yield* TestClock.adjust("10 seconds")
        yield* nodes.shift()?.close ?? Effect.void
        nodes.push(yield* node(name, sent, { code }))
      }
      assert.deepStrictEqual(
        sent.map(({ at }) => Math.round(at * 10)),
        Array.from({ length: 1000 }, (_, i) => i + 1)
      )
      assert.isAtLeast(new Set(sent.map(({ node }) => node)).size, 8)
      yield* Effect.forEach(nodes, (node) => node.close)
    }).pipe(Effect.provide([stores, quiet]))
  })

  it.effect("D.7 what one node makes, edits, pauses and deletes takes effect on the others within their poll", () => {
    const sent: Array<Sent> = []
    return Effect.gen(function*() {
      const first = yield* node("first", sent, { knows: false })
      const second = yield* node("second", sent)
      const third = yield* node("third", [])
      yield* third.close
      // whoever knows no such task cannot save, but sees, pauses and deletes
      assert.include((yield* Effect.flip(first.save({ name: "mail", ...minute }))).message, `no task "test.mail"`)
      const control = yield* node("control", [], { work: Effect.die("not here") })
      yield* control.save({ name: "mail", ...minute })
      yield* control.close
      yield* pass(65)
      assert.deepStrictEqual(sent.map(({ at, node, to }) => [at, node, to]), [[60, "second", "all"]])

      // the anchor is kept: the last tick was at 60 s
      yield* second.save({ name: "mail", ...minute, payload: { to: "few" }, timetable: Timetable.every("100 seconds") })
      yield* pass(100)
      assert.deepStrictEqual(sent.map(({ at, to }) => [at, to]), [[60, "all"], [160, "few"]])

      yield* first.pause("mail")
      yield* pass(200)
      yield* first.resume("mail")
      yield* pass(100)
      assert.deepStrictEqual(times(sent), [60, 160, 460])

      yield* first.remove("mail")
      assert.deepStrictEqual(yield* first.list, [])
      yield* pass(300)
      assert.deepStrictEqual(times(sent), [60, 160, 460])
      assert.strictEqual((yield* Effect.flip(second.remove("mail")))._tag, "ScheduleNotFound")
      yield* first.close
      yield* second.close
    }).pipe(Effect.provide([stores, quiet]))
  })

  it.effect("D.7 a shorter interval that another node saves is kept to the second, and goes on after a stop and a start", () => {
    const sent: Array<Sent> = []
    return Effect.gen(function*() {
      const one = yield* node("one", sent)
      const other = yield* node("other", [])
      yield* other.save({ name: "mail", ...minute, timetable: Timetable.every("1 hour", { anchor: "fixed" }) })
      yield* other.stop
      yield* pass(20)
      yield* other.save({ name: "mail", ...minute, timetable: Timetable.every("33 seconds", { anchor: "fixed" }) })
      yield* pass(60)
      assert.deepStrictEqual(times(sent), [33, 66])
      yield* one.stop
      yield* one.start
      yield* pass(40)
      assert.deepStrictEqual(times(sent), [33, 66, 99])
      yield* one.close
      yield* other.close
    }).pipe(Effect.provide([stores, quiet]))
  })

  it.effect("D.7 a tenant sees and touches its own schedules only, and runs are made in its name", () => {
    const sent: Array<Sent> = []
    return Effect.gen(function*() {
      const one = yield* node("one", sent, { code: Timetable.every("1 day") })
      const as = (tenant: string) => RunContext.within({ tenant })
      yield* as("acme")(one.save({ name: "mail", ...minute }))
      yield* as("zeta")(one.save({ name: "mail", ...minute, payload: { to: "z" } }))
      const names = Effect.map(one.list, (schedules) => schedules.map(({ name, tenant }) => [name, tenant]))
      assert.deepStrictEqual(yield* as("acme")(names), [["acme/mail", "acme"]])
      assert.deepStrictEqual(yield* names, [["acme/mail", "acme"], ["test.code", null], ["zeta/mail", "zeta"]])
      for (const name of ["zeta/mail", "test.code"]) {
        for (const touch of [one.pause, one.resume, one.remove, one.runNow]) {
          assert.strictEqual(
            (yield* Effect.flip(as("acme")<unknown, { readonly _tag: string }, never>(touch(name))))._tag,
            "ScheduleNotFound"
          )
        }
      }
      yield* as("zeta")(one.pause("mail"))
      yield* pass(61)
      assert.deepStrictEqual(sent.map(({ tenant, to }) => [tenant, to]), [["acme", "all"]])
      const log = yield* RunLog.RunLog
      assert.deepStrictEqual((yield* log.list({ tenant: "acme" })).length, 1)
      yield* one.close
    }).pipe(Effect.provide([stores, quiet]))
  })

  it.effect("D.7 refuses what would never run, and says why", () =>
    Effect.gen(function*() {
      const one = yield* node("one", [])
      const problem = (change: Partial<TaskScheduler.StoredSchedule>) =>
        Effect.map(Effect.flip(one.save({ name: "mail", ...minute, ...change })), (error) => error.message)
      assert.include(yield* problem({ task: "nobody" }), `no task "nobody" may be scheduled. There are: test.mail`)
      assert.include(yield* problem({ payload: { to: 1 } }), "payload of task test.mail is not valid")
      assert.include(yield* problem({ name: " x" }), "no space at its ends")
      assert.include(yield* problem({ overlap: { allow: 0 } }), "was not saved")
      yield* one.close
    }).pipe(Effect.provide([stores, quiet])))

  it.effect("D.7 a schedule that was removed from the code shows as orphaned, does not fire, and may be deleted", () => {
    const sent: Array<Sent> = []
    return Effect.gen(function*() {
      const code = Timetable.every("10 seconds")
      const old = yield* node("old", sent, { code })
      const fresh = yield* node("fresh", sent)
      yield* pass(20)
      const orphaned = Effect.map(fresh.list, (schedules) => schedules.map((schedule) => schedule.orphaned))
      assert.deepStrictEqual(yield* orphaned, [false])
      assert.include((yield* Effect.flip(fresh.remove("test.code"))).message, "part of a program that runs")
      yield* old.close
      yield* pass(60)
      assert.deepStrictEqual(yield* orphaned, [true])
      assert.deepStrictEqual(times(sent), [10, 20])
      // back in the code, it goes on where it stood
      const again = yield* node("again", sent, { code })
      yield* pass(15)
      assert.deepStrictEqual(yield* orphaned, [false])
      assert.deepStrictEqual(times(sent), [10, 20, 80, 90])
      yield* again.close
      yield* pass(60)
      yield* fresh.remove("test.code")
      assert.deepStrictEqual(yield* fresh.list, [])
      yield* fresh.close
    }).pipe(Effect.provide([stores, quiet]))
  })

  it.effect("a tick that was claimed by a node that died before its work began runs on another one", () => {
    const sent: Array<Sent> = []
    return Effect.gen(function*() {
      const store = yield* ScheduleStore.ScheduleStore
      const one = yield* node("one", sent, { code: Timetable.every("10 seconds") })
      // another node takes the tick and is never heard of again
      yield* TestClock.adjust("9 seconds")
      const now = yield* Clock.currentTimeMillis
      const { started } = yield* store.advance("test.code", ({ schedule }) =>
        Effect.succeed({
          record: [{ tick: schedule.nextTick!, asked: null }],
          skip: [],
          start: [schedule.nextTick!],
          stop: [],
          abandon: [],
          place: {
            nextTick: Timetable.due(Timetable.every("10 seconds"), schedule, schedule.nextTick!, 1).place.nextTick,
            progress: schedule.progress
          },
          delayMs: 0,
          paused: false,
          wakeAt: schedule.nextTick!
        }))
      assert.strictEqual(started.length, 1)
      assert.strictEqual(now, 9000)
      yield* pass(45)
      const ticks = yield* store.ticks("test.code", 10)
      const rescued = ticks.find(({ tick }) => tick.epochMilliseconds === 10_000)
      assert.strictEqual(rescued?.outcome, "completed")
      assert.strictEqual(sent[0]?.at, 40)
      yield* one.close
    }).pipe(Effect.provide([stores, quiet]))
  })
})

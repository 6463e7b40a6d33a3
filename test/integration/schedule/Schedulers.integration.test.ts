/** Several schedulers, each with connections of its own, on one Postgres. */
// @effect-diagnostics strictEffectProvide:off -- each node is an application of its own
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import type * as Redacted from "effect/Redacted"
import * as EffectSchedule from "effect/Schedule"
import { Dispatch, RunLog, Supervisor, Task } from "ostinato"
import * as Decide from "ostinato/schedule/Decide"
import * as PeriodicTask from "ostinato/schedule/PeriodicTask"
import { ScheduleStore } from "ostinato/schedule/ScheduleStore"
import * as PostgresScheduleStore from "ostinato/schedule/stores/Postgres"
import * as TaskScheduler from "ostinato/schedule/TaskScheduler"
import * as Timetable from "ostinato/schedule/Timetable"
import { Database } from "ostinato/store/Database"
import * as PostgresRunLog from "ostinato/store/PostgresRunLog"
import * as TestDatabase from "../../contract/TestDatabase.ts"
import * as Proxy from "./proxy.ts"

const Work = Task.make("test.work")

/** A process with one schedule, on connections of its own. */
const node = Effect.fnUntraced(function*(
  name: string,
  options: {
    readonly timetable?: Timetable.Timetable
    readonly overlap?: PeriodicTask.Overlap
    readonly missed?: PeriodicTask.Missed
    readonly work: Effect.Effect<void, never, PgClient.PgClient>
    readonly url?: Redacted.Redacted
    readonly enabled?: boolean
    readonly logger?: Layer.Layer<never>
  }
) {
  const { url } = yield* Database
  const periodic = PeriodicTask.make(name, {
    timetable: options.timetable ?? Timetable.every("1 day"),
    overlap: options.overlap,
    missed: options.missed,
    task: Work,
    payload: {},
    dispatch: Dispatch.here
  })
  const context = yield* Layer.build(
    Layer.fresh(
      TaskScheduler.layer([periodic], {
        schedulable: [PeriodicTask.schedulable(Work, Dispatch.here)],
        poll: "50 millis",
        drain: 0,
        grace: "1 second",
        enabled: options.enabled
      }).pipe(
        Layer.provide(Work.toLayer(() => options.work)),
        Layer.provideMerge(Layer.merge(PostgresScheduleStore.layer(), PostgresRunLog.layer())),
        Layer.provide(Layer.fresh(Supervisor.layer)),
        Layer.provideMerge(Database.layer({ url: options.url ?? url, directory: "/nonexistent" })),
        Layer.provide(options.logger ?? Logger.layer([]))
      )
    )
  )
  const scheduler = Context.get(context, TaskScheduler.TaskScheduler)
  yield* Effect.provide(scheduler.start, options.logger ?? Logger.layer([]))
  return { ...scheduler, store: Context.get(context, ScheduleStore), log: Context.get(context, RunLog.RunLog) }
})

const until = <A, E, R>(look: Effect.Effect<A, E, R>, isSo: (seen: A) => boolean) =>
  Effect.repeat(look, { until: isSo, schedule: EffectSchedule.spaced("20 millis") })

const outcomes = (store: ScheduleStore["Service"], name: string) =>
  Effect.map(store.ticks(name, 500), (ticks) => ticks.map((tick) => tick.outcome).reverse())

layer(
  TestDatabase.layer(PostgresRunLog.migrations, PostgresScheduleStore.migrations),
  { excludeTestServices: true, timeout: 60_000 }
)("schedulers on one Postgres", (it) => {
  it.effect("S1.21 a tick makes one run, whichever of three nodes is first, and none is lost when nodes come and go", () =>
    Effect.scoped(Effect.gen(function*() {
      const ticks: Array<string> = []
      const options = {
        timetable: Timetable.every("40 millis", { anchor: "fixed" }),
        missed: { all: 1000 },
        overlap: { allow: 100 },
        work: Effect.void
      } as const
      const keeper = yield* node("each.once", options)
      for (const _ of [1, 2, 3]) {
        yield* Effect.scoped(Effect.gen(function*() {
          yield* node("each.once", options)
          yield* node("each.once", options)
          const before = (yield* keeper.store.ticks("each.once", 1000)).length
          yield* until(keeper.store.ticks("each.once", 1000), (now) => now.length >= before + 10)
        }))
      }
      yield* keeper.stop
      const seen = [...(yield* keeper.store.ticks("each.once", 1000))].reverse()
      for (const run of yield* runsOf(keeper.log)) {
        // one that was stopped before its first attempt let the tick go, and another node began it
        if (run.trigger.kind === "schedule" && run.trigger.schedule === "each.once" && run.attempts > 0) {
          ticks.push(DateTime.formatIso(run.trigger.tick))
        }
      }
      assert.strictEqual(new Set(ticks).size, ticks.length)
      const instants = seen.map(({ tick }) => DateTime.toEpochMillis(tick))
      const gaps = instants.slice(1).map((at, i) => at - instants[i]!)
      assert.deepStrictEqual(gaps.filter((gap) => gap !== 40), [])
      const completed = seen.filter(({ outcome }) => outcome === "completed").map(({ tick }) =>
        DateTime.formatIso(tick)
      )
      assert.isAtLeast(completed.length, 30)
      assert.includeMembers(ticks, completed)
      // those that were in work when their node was stopped say so, and what had not begun waits
      assert.includeMembers(["completed", "interrupted", null], Array.from(new Set(seen.map(({ outcome }) => outcome))))
    })))

  it.effect("S1.21 of two nodes that are asked together one runs, the other is recorded as skipped (lock held); a dead holder frees it", () =>
    Effect.scoped(Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      const gate = yield* Latch.make()
      let live = 0
      let most = 0
      const work = Effect.acquireUseRelease(
        Effect.sync(() => void (most = Math.max(most, ++live))),
        () => gate.await,
        () => Effect.sync(() => void (live -= 1))
      )
      const nodes = yield* Effect.all([node("together", { work }), node("together", { work })])
      const runNow = Effect.forEach(nodes, (node) => node.runNow("together"), { concurrency: "unbounded" })
      const answers = yield* runNow
      assert.sameMembers(answers.map(({ decision }) => decision), ["started", "skipped"])
      assert.strictEqual(
        answers.find(({ decision }) => decision === "skipped")?.reason,
        "lock held: 1 earlier run(s) have not ended"
      )
      const [{ store }] = nodes
      assert.sameMembers(yield* outcomes(store, "together"), [null, "skipped"])
      yield* gate.open
      yield* until(outcomes(store, "together"), (seen) => seen.includes("completed"))
      assert.strictEqual(most, 1)

      // a process that takes a tick, begins and is never heard of again
      yield* gate.close
      const asked = { trigger: { kind: "code" }, origin: { tenant: null, actor: null } } as const
      const { started: [claim] } = yield* store.advance(
        "together",
        Decide.decide({ fires: false, extra: asked, random: 0 })
      )
      assert.isTrue(claim !== undefined && (yield* store.begin(claim)))
      assert.deepStrictEqual((yield* runNow).map(({ decision }) => decision), ["skipped", "skipped"])
      yield* sql`UPDATE ostinato.tick SET lease_until = now() WHERE schedule = 'together' AND finished_at IS NULL`
      assert.sameMembers((yield* runNow).map(({ decision }) => decision), ["started", "skipped"])
      assert.include(yield* outcomes(store, "together"), "abandoned")
      yield* gate.open
    })))

  it.effect("a tick whose node died before its work began is run by another node", () =>
    Effect.scoped(Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      const ran = yield* Deferred.make<void>()
      const one = yield* node("rescued", { work: Effect.asVoid(Deferred.succeed(ran, undefined)) })
      yield* until(one.list, (schedules) => schedules.some(({ name }) => name === "rescued"))
      const asked = { trigger: { kind: "code" }, origin: { tenant: null, actor: null } } as const
      const dead = yield* one.store.advance("rescued", Decide.decide({ fires: false, extra: asked, random: 0 }))
      assert.strictEqual(dead.started.length, 1)
      yield* sql`UPDATE ostinato.tick SET lease_until = now() WHERE schedule = 'rescued'`
      yield* Deferred.await(ran)
      yield* until(outcomes(one.store, "rescued"), ([only]) => only === "completed")
    })))

  it.effect("D.1 an Effect Schedule goes on after a restart where it was, and ends where it ends", () =>
    Effect.scoped(Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      let runs = 0
      const fresh = () => ({
        work: Effect.sync(() => void (runs += 1)),
        timetable: Timetable.fromSchedule(
          EffectSchedule.exponential("20 millis").pipe(EffectSchedule.jittered, EffectSchedule.upTo({ times: 5 })),
          { name: "slower", seed: "1" }
        )
      })
      const ended = sql<
        { phase: string }
      >`SELECT progress ->> 'phase' AS phase FROM ostinato.schedule WHERE name = 'steps'`
      for (const upTo of [1, 3]) {
        yield* Effect.scoped(Effect.gen(function*() {
          const one = yield* node("steps", fresh())
          yield* until(
            outcomes(one.store, "steps"),
            (seen) => seen.filter((outcome) => outcome === "completed").length >= upTo
          )
        }))
      }
      const one = yield* node("steps", fresh())
      yield* until(ended, ([row]) => row?.phase === "ended")
      // once, and five times again
      assert.strictEqual((yield* one.store.ticks("steps", 10)).length, 6)
      assert.isAtLeast(runs, 4)
      assert.deepStrictEqual(yield* one.upcoming("steps", 1), [])
    })))

  it.effect("S0.9 replace stops the earlier run on whichever node it is, and then runs", () =>
    Effect.scoped(Effect.gen(function*() {
      const stopped = yield* Deferred.make<void>()
      const begun = yield* Latch.make()
      const first = yield* node("replaced", {
        overlap: "replace",
        work: Effect.onInterrupt(
          Effect.andThen(begun.open, Effect.never),
          () => Effect.asVoid(Deferred.succeed(stopped, undefined))
        )
      })
      yield* first.runNow("replaced")
      yield* begun.await
      const second = yield* node("replaced", {
        overlap: "replace",
        work: Effect.andThen(Deferred.isDone(stopped), (done) => done ? Effect.void : Effect.die("the first one runs"))
      })
      assert.strictEqual((yield* second.runNow("replaced")).decision, "waiting")
      yield* Deferred.await(stopped)
      const seen = yield* until(outcomes(second.store, "replaced"), (seen) => seen.length === 2 && seen[0] !== null)
      assert.strictEqual(seen[0], "interrupted")
    })))

  it.effect("D.7 what one node makes, pauses and edits takes effect on the other without a restart", () =>
    Effect.scoped(Effect.gen(function*() {
      let runs = 0
      const quiet = { work: Effect.sync(() => void (runs += 1)) }
      const one = yield* node("other", { ...quiet, enabled: false })
      yield* node("other", quiet)
      yield* one.save({ name: "made", task: "test.work", timetable: Timetable.every("20 millis") })
      yield* until(outcomes(one.store, "made"), (seen) => seen.filter((outcome) => outcome === "completed").length >= 2)
      yield* one.pause("made")
      yield* until(outcomes(one.store, "made"), (seen) => !seen.includes(null))
      const paused = runs
      // the other node looks every 50 ms; its place moves on, and nothing runs
      const next = Effect.map(one.store.list, (all) => all.find(({ name }) => name === "made")?.nextTick ?? null)
      const before = yield* next
      yield* until(
        next,
        (now) => now !== null && before !== null && now.epochMilliseconds > before.epochMilliseconds + 200
      )
      assert.strictEqual(runs, paused)
      yield* one.save({ name: "made", task: "test.work", timetable: Timetable.every("1 hour") })
      yield* one.resume("made")
      const [due] = yield* one.upcoming("made", 1)
      assert.isTrue(due !== undefined && due.epochMilliseconds > (yield* DateTime.now).epochMilliseconds + 1_000_000)
      yield* one.remove("made")
      assert.notInclude((yield* one.list).map(({ name }) => name), "made")
    })))

  it.effect("S1.23 outlives a database that goes away in the middle of a run: that run is recorded as failed, and ticks go on", () =>
    Effect.scoped(Effect.gen(function*() {
      const { url } = yield* Database
      const link = yield* Proxy.open(url)
      const begun = yield* Latch.make()
      const gone = yield* Latch.make()
      const away = yield* Latch.make()
      const refused = yield* Latch.make()
      const logger = Logger.make(({ message }) => {
        if (String(message).includes("it is asked again")) away.openUnsafe()
      })
      let runs = 0
      const work = Effect.gen(function*() {
        runs += 1
        if (runs > 1) return
        yield* begun.open
        yield* gone.await
        const sql = yield* PgClient.PgClient
        yield* Effect.orDie(Effect.tapError(sql`SELECT 1`, () => refused.open))
      })
      yield* Effect.gen(function*() {
        const one = yield* node("outage", {
          work,
          url: link.url,
          logger: Logger.layer([logger]),
          overlap: { allow: 2 },
          timetable: Timetable.every("100 millis")
        })
        yield* begun.await
        yield* link.cut
        yield* gone.open
        yield* away.await
        // or it might find the link mended
        yield* refused.await
        const before = runs
        yield* link.mend
        yield* until(Effect.sync(() => runs), (now) => now > before)
        assert.strictEqual(yield* one.status, "running")
        const failed = yield* until(
          Effect.map(
            runsOf(one.log),
            (all) => all.filter((run) => run.trigger.kind === "schedule" && run.trigger.schedule === "outage")
          ),
          (all) => all.some((run) => run.status === "failed")
        )
        assert.strictEqual(failed.find((run) => run.status === "failed")?.failure?.tag, "SqlError")
        yield* until(outcomes(one.store, "outage"), (seen) => seen.includes("failed"))
      })
    })))
})

const runsOf = (log: RunLog.RunLog["Service"]) => log.list({ task: Work.name, limit: 200 })

/** Schedules that enqueue: a tick and its job commit together, on a real server. */
import { assert, layer } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as EffectSchedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as MemoryRunLog from "ostinato/core/MemoryRunLog"
import * as Supervisor from "ostinato/core/Supervisor"
import * as Task from "ostinato/core/Task"
import * as JobFilter from "ostinato/jobs/JobFilter"
import * as JobQueue from "ostinato/jobs/JobQueue"
import { JobStore } from "ostinato/jobs/JobStore"
import * as JobWorker from "ostinato/jobs/JobWorker"
import * as JobPostgres from "ostinato/jobs/stores/Postgres"
import * as Decide from "ostinato/schedule/Decide"
import * as PeriodicTask from "ostinato/schedule/PeriodicTask"
import * as SchedulePolicy from "ostinato/schedule/SchedulePolicy"
import { ScheduleStore } from "ostinato/schedule/ScheduleStore"
import * as SchedulePostgres from "ostinato/schedule/stores/Postgres"
import * as TaskScheduler from "ostinato/schedule/TaskScheduler"
import * as Timetable from "ostinato/schedule/Timetable"
import { Notifier } from "ostinato/store/Notifier"
import * as TestDatabase from "../../contract/TestDatabase.ts"

const stores = Layer.mergeAll(JobPostgres.layer(), SchedulePostgres.layer(), MemoryRunLog.layer()).pipe(
  Layer.provideMerge(Notifier.layer()),
  Layer.provideMerge(Supervisor.layer),
  Layer.provideMerge(TestDatabase.layer(JobPostgres.migrations, SchedulePostgres.migrations)),
  Layer.provideMerge(Logger.layer([]))
)

const Sync = Task.make("sync", { payload: { platform: Schema.String } })

const jobsOf = (queue: string) => JobQueue.query({ ...JobFilter.all, queues: [queue] }, { limit: 1000 })

const until = <A, E, R>(look: Effect.Effect<A, E, R>, isSo: (seen: A) => boolean) =>
  Effect.repeat(look, { until: isSo, schedule: EffectSchedule.spaced("10 millis") })

const periodic = (name: string, options: JobQueue.DispatchOptions<"platform">) =>
  PeriodicTask.make(name, {
    timetable: Timetable.every("40 millis", { anchor: "fixed" }),
    missed: { all: 1000 },
    // the ticks of one decision, too
    overlap: { allow: 1000 },
    task: Sync,
    payload: { platform: "github" },
    dispatch: JobQueue.dispatch(options),
    mode: "enqueue"
  })

/** Two nodes that fire the same schedule. */
const scheduled = <A, E, R>(
  schedule: ReturnType<typeof periodic>,
  work: Effect.Effect<A, E, R | TaskScheduler.TaskScheduler>
) => {
  const node = Effect.flatMap(TaskScheduler.TaskScheduler, ({ start }) => start)
  const one = TaskScheduler.layer([schedule])
  return Effect.scoped(Effect.gen(function*() {
    yield* Effect.provide(node, yield* Layer.build(Layer.fresh(one)))
    return yield* Effect.provide(Effect.andThen(node, work), yield* Layer.build(Layer.fresh(one)))
  }))
}

layer(stores, { excludeTestServices: true })("schedules that enqueue", (it) => {
  it.effect("each tick of two nodes makes one job, which says so and runs", () =>
    Effect.gen(function*() {
      const schedules = yield* ScheduleStore
      const ran: Array<string> = []
      yield* scheduled(
        periodic("each", { queue: "each" }),
        until(schedules.ticks("each", 1000), (ticks) => ticks.length >= 12)
      )
      const ticks = yield* schedules.ticks("each", 1000)
      assert.deepStrictEqual(Array.from(new Set(ticks.map(({ outcome }) => outcome))), ["completed"])
      const jobs = yield* jobsOf("each")
      const triggers = jobs.flatMap(({ meta: { trigger } }) =>
        trigger?.kind === "schedule" ? [DateTime.formatIso(trigger.tick)] : []
      )
      assert.deepStrictEqual(triggers.sort(), ticks.map(({ tick }) => DateTime.formatIso(tick)).sort())
      yield* Layer.build(
        JobWorker.layer({ queues: { each: {} }, tasks: [Sync] }).pipe(
          Layer.provide(Sync.toLayer(({ platform }) => Effect.sync(() => void ran.push(platform))))
        )
      )
      yield* until(jobsOf("each"), (jobs) => jobs.every(({ state }) => state === "completed"))
      assert.strictEqual(ran.length, ticks.length)
    }).pipe(Effect.scoped))

  it.effect("with a unique key a tick that comes while the job of an earlier one is not done makes none", () =>
    Effect.gen(function*() {
      const schedules = yield* ScheduleStore
      yield* scheduled(
        periodic("overlap", { queue: "overlap", unique: { by: ["platform"], until: "done" } }),
        until(schedules.ticks("overlap", 1000), (ticks) => ticks.length >= 6)
      )
      assert.strictEqual((yield* jobsOf("overlap")).length, 1)
    }))

  it.effect("a tick whose hand-over breaks after its job was made leaves no job", () =>
    Effect.gen(function*() {
      const schedules = yield* ScheduleStore
      const store = yield* JobStore
      yield* schedules.register({
        name: "broken",
        task: "sync",
        timetable: Timetable.every("1 hour"),
        policy: SchedulePolicy.standard,
        source: "code",
        tenant: null,
        payload: null
      })
      const dispatch = JobQueue.dispatch({ queue: "broken" })
      const advance = (fails: boolean) =>
        schedules.advance("broken", Decide.decide({ fires: true, extra: "start", random: 0 }), ({ tick }) =>
          Effect.andThen(
            Effect.provideService(
              dispatch(Sync, { platform: "a" }, { kind: "schedule", schedule: "broken", tick }),
              JobStore,
              store
            ),
            fails ? Effect.fail("the process is out of luck") : Effect.void
          ))
      yield* advance(true)
      assert.deepStrictEqual(
        (yield* schedules.ticks("broken", 10)).map(({ outcome }) =>
          outcome
        ),
        ["failed"]
      )
      assert.deepStrictEqual(yield* jobsOf("broken"), [])
      yield* advance(false)
      assert.strictEqual((yield* jobsOf("broken")).length, 1)
    }))
})

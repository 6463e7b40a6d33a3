import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { MemoryRunLog, RunContext, Supervisor, Task } from "ostinato"
import * as JobFilter from "ostinato/jobs/JobFilter"
import * as JobQueue from "ostinato/jobs/JobQueue"
import { JobStore } from "ostinato/jobs/JobStore"
import * as JobWorker from "ostinato/jobs/JobWorker"
import * as MemoryJobStore from "ostinato/jobs/stores/Memory"
import * as PeriodicTask from "ostinato/schedule/PeriodicTask"
import * as MemoryScheduleStore from "ostinato/schedule/stores/Memory"
import * as TaskScheduler from "ostinato/schedule/TaskScheduler"
import * as Timetable from "ostinato/schedule/Timetable"

const Report = Task.make("test.report", { payload: { region: Schema.String }, success: Schema.String })
const ReportLive = Report.toLayer(({ region }) => Effect.succeed(region))

const dispatch = JobQueue.dispatch({ queue: "reports", unique: { by: ["region"], until: "done" } })

const Live = TaskScheduler.layer([], {
  schedulable: [PeriodicTask.schedulable(Report, dispatch, { mode: "enqueue" })]
}).pipe(
  Layer.provideMerge([ReportLive, MemoryRunLog.layer(), MemoryJobStore.layer, MemoryScheduleStore.layer]),
  Layer.provideMerge([Supervisor.layer, Logger.layer([])])
)

const jobs = (text: string) => Effect.flatMap(JobFilter.parse(text), (filter) => JobQueue.query(filter))

describe("schedules that enqueue", () => {
  it.effect("D.7 made at run time for a tenant, enqueue jobs of that tenant; edited they do so with the new payload, paused and deleted no more", () =>
    Effect.gen(function*() {
      const scheduler = yield* TaskScheduler.TaskScheduler
      yield* scheduler.start
      const schedule = {
        task: "test.report",
        timetable: Timetable.every("1 hour"),
        payload: { region: "north" }
      }
      const [acme, other] = [RunContext.within({ tenant: "acme" }), RunContext.within({ tenant: "other" })]
      yield* acme(scheduler.save({ ...schedule, name: "reports" }))
      yield* other(scheduler.save({ ...schedule, name: "reports" }))
      yield* TestClock.adjust("61 minutes")
      const [job, ...more] = yield* jobs("queue:reports tenant:acme")
      assert.deepStrictEqual(more, [])
      assert.deepInclude(job, { state: "available", payload: { region: "north" } })
      assert.deepInclude(job?.meta.trigger, { kind: "schedule", schedule: "acme/reports" })
      assert.strictEqual(job?.meta.origin?.tenant, "acme")
      // the same work is not enqueued again before it is done, and a tenant does not keep another from it
      yield* TestClock.adjust("2 hours")
      assert.strictEqual((yield* jobs("queue:reports")).length, 2)
      yield* Effect.scoped(Effect.provide(
        TestClock.adjust("1 second"),
        JobWorker.layer({ queues: { reports: {} }, tasks: [Report] })
      ))
      assert.strictEqual((yield* jobs("queue:reports state:completed")).length, 2)
      yield* acme(scheduler.save({ ...schedule, name: "reports", payload: { region: "south" } }))
      yield* other(scheduler.pause("reports"))
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual((yield* jobs("state:available")).map(({ payload }) => payload), [{ region: "south" }])
      yield* acme(scheduler.remove("reports"))
      yield* TestClock.adjust("5 hours")
      assert.strictEqual((yield* jobs("queue:reports")).length, 3)
    }).pipe(Effect.provide(Live)))

  it.effect("D.8 what ended goes when its time is over, what has not ended stays, and what is kept can be read", () =>
    Effect.gen(function*() {
      const store = yield* JobStore
      const old = yield* JobQueue.enqueue(Report, { region: "old" }, { queue: "reports" })
      const open = yield* JobQueue.enqueue(Report, { region: "open" }, { queue: "later", delay: "90 days" })
      const worker = JobWorker.layer({ queues: { reports: {} }, tasks: [Report], maintenance: false })
      const work = Effect.scoped(Effect.provide(TestClock.adjust("1 second"), worker))
      yield* work
      yield* TestClock.adjust("10 days")
      const young = yield* JobQueue.enqueue(Report, { region: "young" }, { queue: "reports" })
      yield* work
      yield* store.prune({ completed: "7 days" })
      assert.strictEqual((yield* Effect.flip(JobQueue.get(old.id)))._tag, "JobNotFound")
      assert.deepInclude(yield* JobQueue.get(young.id), { state: "completed", output: "young" })
      assert.strictEqual((yield* JobQueue.get(open.id)).state, "scheduled")
    }).pipe(Effect.provide(Live)))
})

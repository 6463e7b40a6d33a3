/** A program with one schedule, whose work takes as long as told: how it counts and ends in real time. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Dispatch, MemoryRunLog, Supervisor, Task } from "ostinato"
import { MemoryScheduleStore, PeriodicTask, TaskScheduler, Timetable } from "ostinato/schedule"

const [interval = "", work = "", during = ""] = process.argv.slice(2)
const counts = { started: 0, completed: 0 }

const Work = Task.fn("test.work", {}, () =>
  Effect.sync(() => void (counts.started += 1)).pipe(
    Effect.andThen(Effect.sleep(Number(work))),
    Effect.andThen(Effect.sync(() => void (counts.completed += 1)))
  ))

const periodic = PeriodicTask.make("test.schedule", {
  timetable: Timetable.every(Number(interval), { anchor: "fixed" }),
  task: Work,
  payload: {},
  dispatch: Dispatch.here
})

Effect.gen(function*() {
  const scheduler = yield* TaskScheduler.TaskScheduler
  yield* scheduler.start
  yield* Effect.sleep(Number(during))
  const report = yield* scheduler.stop
  yield* Console.log(`${counts.started} ${counts.completed} [${report.timedOut.join(", ")}]`)
}).pipe(
  Effect.provide(
    TaskScheduler.layer([periodic], { drain: "5 seconds" }).pipe(
      Layer.provide([MemoryScheduleStore.layer, MemoryRunLog.layer(), Supervisor.layer])
    )
  ),
  NodeRuntime.runMain
)

/**
 * One node of the suite `schedule`: a scheduler on the shared database. It is killed without warning and started again.
 *
 * Every begin and end of a run is a line in the file of this node, written before anything else happens: the page cache
 * outlives the process, so the file tells what ran whatever the database says.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Config from "effect/Config"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Attempt from "ostinato/core/Attempt"
import * as Dispatch from "ostinato/core/Dispatch"
import * as Supervisor from "ostinato/core/Supervisor"
import * as Task from "ostinato/core/Task"
import * as PeriodicTask from "ostinato/schedule/PeriodicTask"
import * as PostgresScheduleStore from "ostinato/schedule/stores/Postgres"
import * as TaskScheduler from "ostinato/schedule/TaskScheduler"
import * as Timetable from "ostinato/schedule/Timetable"
import { Database } from "ostinato/store/Database"
import * as Migration from "ostinato/store/Migration"
import * as PostgresRunLog from "ostinato/store/PostgresRunLog"
import { writer } from "../ledger.ts"
import { everyMs, Line, names } from "./model.ts"

const Main = Layer.unwrap(Effect.gen(function*() {
  const url = yield* Config.Redacted("DATABASE_URL")
  const node = yield* Config.String("PROVE_NODE")
  const append = writer(Line, yield* Config.String("PROVE_LEDGER"))
  const write = (line: Line) => Effect.sync(() => append(line))

  const Work = Task.make("prove.work")
  const WorkLive = Work.toLayer(() =>
    Effect.flatMap(Attempt.Attempt, ({ trigger }) => {
      if (trigger.kind !== "schedule") return Effect.die(new Error(`started by ${trigger.kind}`))
      const said = { node, schedule: trigger.schedule, tick: DateTime.formatIso(trigger.tick) }
      return Effect.andThen(
        write({ ...said, op: "begin" }),
        Effect.andThen(Effect.sleep("25 millis"), write({ ...said, op: "end" }))
      )
    })
  )

  const schedules = names.map((name) =>
    PeriodicTask.make(name, {
      timetable: Timetable.every(everyMs, { anchor: "fixed" }),
      task: Work,
      payload: {},
      // a killed run holds its tick for the lease: the others go on meanwhile
      overlap: { allow: 1000 },
      missed: { all: 1000 },
      dispatch: Dispatch.here
    })
  )

  const migrated = Layer.effectDiscard(
    Effect.forEach([PostgresRunLog.migrations, PostgresScheduleStore.migrations], Migration.run)
  )
  return Layer.effectDiscard(
    Effect.flatMap(TaskScheduler.TaskScheduler, (scheduler) => scheduler.start)
  ).pipe(
    Layer.provide(TaskScheduler.layer(schedules, { drain: "5 seconds" })),
    Layer.provide(WorkLive),
    // all are held against the grid, whatever their number
    Layer.provide([PostgresRunLog.layer(), PostgresScheduleStore.layer({ retention: { ticks: 1_000_000 } })]),
    Layer.provide(migrated),
    Layer.provide(Database.layer({ url, directory: "unused" })),
    Layer.provide(Supervisor.layer)
  )
}))

NodeRuntime.runMain(Layer.launch(Main.pipe(Layer.provide(NodeServices.layer))))

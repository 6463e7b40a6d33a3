/**
 * The code behind `AdminApi`.
 */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Layer from "effect/Layer"
import { RunLog, type RunLogUnavailable } from "../core/RunLog.ts"
import * as RunStatistics from "../core/RunStatistics.ts"
import type { TaskRun } from "../core/TaskRun.ts"
import { type Schedule, ScheduleStore } from "../schedule/ScheduleStore.ts"
import * as Timetable from "../schedule/Timetable.ts"
import { AdminApi, RunNotFound, type ScheduleSummary } from "./AdminApi.ts"
import type { Enqueueable } from "./AppModule.ts"
import { unavailable } from "./internal/unavailable.ts"
import * as JobHandlers from "./JobHandlers.ts"
import * as QueueHandlers from "./QueueHandlers.ts"
import * as Redaction from "./Redaction.ts"
import * as RequestHandlers from "./RequestHandlers.ts"

const found = <A>(detail: string, get: Effect.Effect<A | null, RunLogUnavailable>) =>
  get.pipe(
    Effect.catchTag("RunLogUnavailable", unavailable),
    Effect.flatMap((value) => value === null ? Effect.fail(new RunNotFound({ detail })) : Effect.succeed(value))
  )

const RunsLive = HttpApiBuilder.group(
  AdminApi,
  "runs",
  Effect.fn(function*(handlers) {
    const log = yield* RunLog
    const hide = yield* Redaction.Redaction
    const shown = (run: TaskRun) => Effect.provideService(Redaction.run(run), Redaction.Redaction, hide)
    return handlers.handleAll({
      list: ({ query }) =>
        log.list(query).pipe(
          Effect.flatMap((runs) => Effect.forEach(runs, shown)),
          Effect.map((items) => ({ items })),
          Effect.catchTag("RunLogUnavailable", unavailable)
        ),
      statistics: ({ query }) =>
        log.list({ limit: 200, ...query }).pipe(
          Effect.map(RunStatistics.of),
          Effect.catchTag("RunLogUnavailable", unavailable)
        ),
      get: ({ params }) => Effect.flatMap(found(`no run has the id "${params.id}"`, log.get(params.id)), shown),
      cancel: ({ params, payload: { actor = null, reason = null } }) =>
        log.cancel(params.id, { actor, reason }).pipe(
          Effect.map((answer) => answer === "unknown" ? null : { answer }),
          (answer) => found(`no run has the id "${params.id}"`, answer)
        ),
      details: ({ params }) => found(`nothing is kept of a run "${params.id}" but its record`, log.details(params.id))
    })
  })
)

const SchedulesLive = HttpApiBuilder.group(
  AdminApi,
  "schedules",
  Effect.fn(function*(handlers) {
    const store = yield* ScheduleStore
    return handlers.handleAll({
      list: () =>
        store.list.pipe(
          Effect.map((schedules) => ({ items: schedules.map(summary) })),
          Effect.catchTag("ScheduleStoreUnavailable", unavailable)
        )
    })
  })
)

const summary = (schedule: Schedule): ScheduleSummary => ({
  name: schedule.name,
  task: schedule.task,
  timetable: Timetable.describe(schedule.timetable),
  policy: schedule.policy,
  source: schedule.source,
  tenant: schedule.tenant,
  paused: schedule.paused,
  orphaned: schedule.orphaned,
  nextTick: schedule.nextTick,
  lastTick: schedule.lastTick,
  open: schedule.open,
  waiting: schedule.waiting
})

/**
 * `tasks`: those that may be enqueued by name.
 *
 * @category layers
 */
export const layer = (tasks: ReadonlyArray<Enqueueable>) =>
  HttpApiBuilder.layer(AdminApi, { openapiPath: "/api/openapi.json" }).pipe(
    Layer.provide([RunsLive, SchedulesLive, JobHandlers.layer(tasks), QueueHandlers.layer, RequestHandlers.layer]),
    Layer.provide(Layer.succeed(Redaction.Redaction, Redaction.of(tasks.map(({ task }) => task))))
  )

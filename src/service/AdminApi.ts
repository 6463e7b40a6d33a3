/**
 * What operators can ask the service over HTTP: Schemas and endpoints, no code behind them.
 *
 * Safe for the browser: clients are derived from this file. Every error is `application/problem+json`.
 */
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import * as Schema from "effect/Schema"
import { RunStatistics } from "../core/RunStatistics.ts"
import { RunDetails, RunId, RunStatus, TaskRun } from "../core/TaskRun.ts"
import { SchedulePolicy } from "../schedule/SchedulePolicy.ts"
import { by, Limit, StoreUnavailable, strict } from "./ApiProblem.ts"
import { Jobs } from "./JobsApi.ts"
import { Queues } from "./QueuesApi.ts"
import { Requests } from "./RequestsApi.ts"

/**
 * @category errors
 */
export class RunNotFound extends HttpApiError.Problem<RunNotFound>()("RunNotFound", {
  type: "urn:ostinato:run-not-found",
  status: 404,
  title: "There is no such run"
}) {}

/**
 * Every run, whatever started it: newest first.
 *
 * @category groups
 */
export class Runs extends HttpApiGroup.make("runs").add(
  HttpApiEndpoint.get("list", "/runs", {
    query: {
      task: Schema.optional(Schema.String),
      status: Schema.optional(RunStatus),
      tenant: Schema.optional(Schema.String),
      before: Schema.optional(RunId),
      limit: Schema.optional(Limit)
    },
    success: Schema.Struct({ items: Schema.Array(TaskRun) }),
    error: StoreUnavailable
  }),
  // the newest runs, 200 of them unless a limit says fewer: counts by outcome, percentiles of queue time and run time
  HttpApiEndpoint.get("statistics", "/runs/statistics", {
    query: { task: Schema.optional(Schema.String), limit: Schema.optional(Limit) },
    success: RunStatistics,
    error: StoreUnavailable
  }),
  HttpApiEndpoint.get("get", "/runs/:id", {
    params: { id: Schema.String },
    success: TaskRun,
    error: [RunNotFound, StoreUnavailable]
  }),
  // attempts and log lines: there once the run has ended, for as long as they are kept
  HttpApiEndpoint.get("details", "/runs/:id/details", {
    params: { id: Schema.String },
    success: RunDetails,
    error: [RunNotFound, StoreUnavailable]
  }),
  // asks it to stop, on whichever node it is; it ends as cancelled when its finalizers have ended
  HttpApiEndpoint.post("cancel", "/runs/:id/cancel", {
    params: { id: Schema.String },
    payload: Schema.Struct(by),
    // already: somebody had asked before
    success: Schema.Struct({ answer: Schema.Literals(["requested", "already", "ended"]) }),
    error: [RunNotFound, StoreUnavailable]
  })
).prefix("/api/v1") {}

/**
 * A schedule as operators see it. What its runs are given is not told.
 *
 * @category models
 */
export const ScheduleSummary = Schema.Struct({
  name: Schema.String,
  task: Schema.String,
  /** In words, e.g. `every 2 weeks` or `0 2 * * * Europe/Berlin`; of an Effect `Schedule` its name. */
  timetable: Schema.String,
  policy: SchedulePolicy,
  /** `code`: an application has it in its code. `stored`: somebody made it while the application ran. */
  source: Schema.Literals(["code", "stored"]),
  tenant: Schema.NullOr(Schema.String),
  paused: Schema.Boolean,
  /** No living process has its code, or knows its task: it does not fire. */
  orphaned: Schema.Boolean,
  /** The next instant that is due; null while a run must end first, and when the timetable has ended. */
  nextTick: Schema.NullOr(Schema.DateTimeUtc),
  /** The newest instant that was decided, fired or not. */
  lastTick: Schema.NullOr(Schema.DateTimeUtc),
  /** Ticks in work. */
  open: Schema.Int,
  /** Ticks that wait for the end of earlier ones, or whose process is gone. */
  waiting: Schema.Int
})

/**
 * @category models
 */
export type ScheduleSummary = typeof ScheduleSummary.Type

/**
 * @category groups
 */
export class Schedules extends HttpApiGroup.make("schedules").add(
  HttpApiEndpoint.get("list", "/schedules", {
    success: Schema.Struct({ items: Schema.Array(ScheduleSummary) }),
    error: StoreUnavailable
  })
).prefix("/api/v1") {}

/**
 * @category apis
 */
export class AdminApi extends HttpApi.make("ostinato").add(Runs).add(Schedules).add(Jobs).add(Queues).add(Requests)
  .annotateMerge(strict).middleware(HttpApiMiddleware.ProblemDetails)
{}

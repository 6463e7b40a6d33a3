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
import { Schedule } from "../schedule/ScheduleStore.ts"

/**
 * @category errors
 */
export class RunNotFound extends HttpApiError.Problem<RunNotFound>()("RunNotFound", {
  type: "urn:ostinato:run-not-found",
  status: 404,
  title: "There is no such run"
}) {}

/**
 * @category errors
 */
export class StoreUnavailable extends HttpApiError.Problem<StoreUnavailable>()("StoreUnavailable", {
  type: "urn:ostinato:store-unavailable",
  status: 503,
  title: "The database does not answer: try again"
}) {}

/**
 * The size of a page in a query: from 1 to 200.
 *
 * @category models
 */
export const Limit = Schema.FiniteFromString.check(Schema.isInt(), Schema.isBetween({ minimum: 1, maximum: 200 }))

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
  })
).prefix("/api/v1") {}

/**
 * @category groups
 */
export class Schedules extends HttpApiGroup.make("schedules").add(
  HttpApiEndpoint.get("list", "/schedules", {
    success: Schema.Struct({ items: Schema.Array(Schedule) }),
    error: StoreUnavailable
  })
).prefix("/api/v1") {}

/**
 * @category apis
 */
export class AdminApi
  extends HttpApi.make("ostinato").add(Runs).add(Schedules).middleware(HttpApiMiddleware.ProblemDetails)
{}

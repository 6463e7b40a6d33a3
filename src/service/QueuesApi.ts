/**
 * What operators can ask of queues, holds and limits over HTTP: Schemas and endpoints, no code behind them. Safe for the
 * browser.
 */
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as Schema from "effect/Schema"
import { StoreUnavailable } from "./ApiProblem.ts"

/**
 * @category errors
 */
export class QueueUnknown extends HttpApiError.Problem<QueueUnknown>()("QueueUnknown", {
  type: "urn:ostinato:queue-unknown",
  status: 404,
  title: "There is no such queue: nothing was ever enqueued to it, and no worker serves it"
}) {}

/**
 * @category errors
 */
export class LimitUnknown extends HttpApiError.Problem<LimitUnknown>()("LimitUnknown", {
  type: "urn:ostinato:limit-unknown",
  status: 404,
  title: "There is no such limit"
}) {}

/**
 * @category errors
 */
export class QueueConflict extends HttpApiError.Problem<QueueConflict>()("QueueConflict", {
  type: "urn:ostinato:queue-conflict",
  status: 409,
  title: "The queue or limit cannot be set up so, or is in use"
}) {}

const Count = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 100_000 }))

/**
 * How many run at once for each key, how many start in a time, or both.
 *
 * @category models
 */
export const LimitValues = Schema.Struct({
  /** Null: as many as there are. */
  permits: Schema.NullOr(Count),
  /** `units` each `perMs` milliseconds, at most `burst` of them at once; null: no rate. */
  rate: Schema.NullOr(Schema.Struct({
    units: Count,
    // at most a year
    perMs: Schema.Finite.check(Schema.isGreaterThan(0), Schema.isLessThanOrEqualTo(31_536_000_000)),
    burst: Count
  }))
})

/**
 * @category models
 */
export type LimitValues = typeof LimitValues.Type

/**
 * A limit by its name.
 *
 * @category models
 */
export const QueueLimit = Schema.Struct({ name: Schema.String, ...LimitValues.fields })

/**
 * @category models
 */
export type QueueLimit = typeof QueueLimit.Type

/**
 * A queue as operators see it.
 *
 * @category models
 */
export const QueueSummary = Schema.Struct({
  name: Schema.String,
  pausedAt: Schema.NullOr(Schema.DateTimeUtc),
  /** Jobs that have not ended, by state. */
  counts: Schema.Struct({
    scheduled: Schema.Int,
    available: Schema.Int,
    running: Schema.Int,
    retryable: Schema.Int,
    pending: Schema.Int
  }),
  /** Available jobs that wait for a limit. */
  parked: Schema.Int,
  /** Milliseconds that the oldest available job has waited. */
  oldestMs: Schema.Finite,
  /** Limit that its jobs obey which name none of their own. */
  limit: Schema.NullOr(Schema.String),
  /** Tenants take turns. */
  fair: Schema.Boolean,
  /** How long a job waits for each step of priority, in milliseconds; null: a better priority always goes first. */
  ageingMs: Schema.NullOr(Schema.Finite),
  /** Living workers that serve it. */
  workers: Schema.Int,
  /** What ended within the last 5 seconds. */
  recent: Schema.Struct({
    completed: Schema.Int,
    discarded: Schema.Int,
    cancelled: Schema.Int,
    /** Completed ones, for each second. */
    perSecond: Schema.Finite,
    /** Average run time of their last attempts in milliseconds; null: none of them ran. */
    runMs: Schema.NullOr(Schema.Finite)
  })
})

/**
 * @category models
 */
export type QueueSummary = typeof QueueSummary.Type

/**
 * What an autoscaler asks for: numbers only.
 *
 * @category models
 */
export const Backlog = Schema.Struct({
  /**
   * Jobs that one more worker could run now: none of a paused queue, task or tenant, and none that waits for a limit or for
   * other jobs.
   */
  available: Schema.Int,
  running: Schema.Int,
  /** Seconds that the oldest of those that could run has waited. */
  oldestSeconds: Schema.Finite
})

const params = { name: Schema.String }
const error = [QueueUnknown, StoreUnavailable] as const

/**
 * @category groups
 */
export class Queues extends HttpApiGroup.make("queues").add(
  HttpApiEndpoint.get("list", "/queues", {
    success: Schema.Struct({ items: Schema.Array(QueueSummary) }),
    error: StoreUnavailable
  }),
  HttpApiEndpoint.get("get", "/queues/:name", { params, success: QueueSummary, error }),
  HttpApiEndpoint.get("backlog", "/queues/:name/backlog", { params, success: Backlog, error }),
  // no job of it starts any more, on any node, until it is resumed
  HttpApiEndpoint.post("pause", "/queues/:name/pause", { params, success: QueueSummary, error }),
  HttpApiEndpoint.post("resume", "/queues/:name/resume", { params, success: QueueSummary, error }),
  // pauses it, and waits so long until nothing of it runs any more; 25 seconds unless it says otherwise
  HttpApiEndpoint.post("drain", "/queues/:name/drain", {
    params,
    payload: Schema.Struct({
      timeoutMs: Schema.optional(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 300_000 })))
    }),
    success: Schema.Struct({ drained: Schema.Boolean, queue: QueueSummary }),
    error
  }),
  // makes the queue where it is not; fairness and ageing change only while it is empty
  HttpApiEndpoint.put("configure", "/queues/:name", {
    params,
    payload: Schema.Struct({
      limit: Schema.optional(Schema.NullOr(Schema.String)),
      fair: Schema.optional(Schema.Boolean),
      ageingMs: Schema.optional(Schema.NullOr(Schema.Finite.check(Schema.isGreaterThan(0))))
    }),
    success: QueueSummary,
    error: [QueueConflict, ...error]
  }),
  // of one that holds no job and that no living worker serves; history stays
  HttpApiEndpoint.delete("remove", "/queues/:name", {
    params,
    success: HttpApiSchema.NoContent,
    error: [QueueConflict, ...error]
  }),
  // a limit of its own, named as the queue: for all of its jobs that name no other
  HttpApiEndpoint.put("setQueueLimit", "/queues/:name/limit", {
    params,
    payload: LimitValues,
    success: QueueSummary,
    error: [QueueConflict, ...error]
  }),
  HttpApiEndpoint.delete("removeQueueLimit", "/queues/:name/limit", {
    params,
    success: QueueSummary,
    error: [QueueConflict, ...error]
  }),
  HttpApiEndpoint.get("limits", "/limits", {
    success: Schema.Struct({ items: Schema.Array(QueueLimit) }),
    error: StoreUnavailable
  }),
  HttpApiEndpoint.put("setLimit", "/limits/:name", {
    params,
    payload: LimitValues,
    success: QueueLimit,
    error: [QueueConflict, StoreUnavailable]
  }),
  // of one that no queue obeys and no job names that has not ended
  HttpApiEndpoint.delete("removeLimit", "/limits/:name", {
    params,
    success: HttpApiSchema.NoContent,
    error: [QueueConflict, LimitUnknown, StoreUnavailable]
  }),
  // tasks and tenants whose jobs do not start, as `task:<name>` and `tenant:<name>`
  HttpApiEndpoint.get("holds", "/holds", {
    success: Schema.Struct({ items: Schema.Array(Schema.String) }),
    error: StoreUnavailable
  }),
  HttpApiEndpoint.put("hold", "/holds/:kind/:name", {
    params: { kind: Schema.Literals(["task", "tenant"]), ...params },
    success: HttpApiSchema.NoContent,
    error: [QueueConflict, StoreUnavailable]
  }),
  HttpApiEndpoint.delete("release", "/holds/:kind/:name", {
    params: { kind: Schema.Literals(["task", "tenant"]), ...params },
    success: HttpApiSchema.NoContent,
    error: [QueueConflict, StoreUnavailable]
  })
).prefix("/api/v1") {}

/**
 * What operators can ask of durable jobs over HTTP: Schemas and endpoints, no code behind them. Safe for the browser.
 *
 * `q` is a filter in the language of `JobFilter`, the same as on the command line. What changes many jobs needs one that
 * says something, and with `dryRun` only counts.
 */
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as Schema from "effect/Schema"
import { LogLine, RunId } from "../core/TaskRun.ts"
import { Job, JobFailure, JobId } from "../jobs/Job.ts"
import { JobExplanation } from "../jobs/JobExplanation.ts"
import { by, Instant, Limit, StoreUnavailable } from "./ApiProblem.ts"

/**
 * @category errors
 */
export class JobUnknown extends HttpApiError.Problem<JobUnknown>()("JobUnknown", {
  type: "urn:ostinato:job-unknown",
  status: 404,
  title: "There is no such job, or it is no longer kept"
}) {}

/**
 * @category errors
 */
export class TaskUnknown extends HttpApiError.Problem<TaskUnknown>()("TaskUnknown", {
  type: "urn:ostinato:task-unknown",
  status: 404,
  title: "The application offers no such task to be enqueued"
}) {}

/**
 * @category errors
 */
export class FilterInvalid extends HttpApiError.Problem<FilterInvalid>()("FilterInvalid", {
  type: "urn:ostinato:job-filter-invalid",
  status: 400,
  title: "The filter cannot be read"
}) {}

/**
 * @category errors
 */
export class JobRefused extends HttpApiError.Problem<JobRefused>()("JobRefused", {
  type: "urn:ostinato:job-refused",
  status: 422,
  title: "The job cannot be enqueued as it is"
}) {}

/**
 * @category errors
 */
export class JobConflict extends HttpApiError.Problem<JobConflict>()("JobConflict", {
  type: "urn:ostinato:job-conflict",
  status: 409,
  title: "The job is not in a state for that"
}) {}

/**
 * A filter: at most 2,000 characters.
 *
 * @category models
 */
export const Filter = Schema.String.check(Schema.isMaxLength(2000))

/**
 * A length of time: milliseconds, or words as in `90s`, `5m`, `2 hours`.
 *
 * @category models
 */
export const Time = Schema.Union([Schema.Finite, Schema.String.check(Schema.isMaxLength(100))])

/**
 * One attempt that failed, or logged something.
 *
 * @category models
 */
export const Attempt = Schema.Struct({
  attempt: Schema.Int,
  /** Counts claims and rescues; never goes back. */
  epoch: Schema.Int,
  startedAt: Schema.NullOr(Schema.DateTimeUtc),
  /** When it ended. */
  at: Schema.DateTimeUtc,
  failure: Schema.NullOr(JobFailure),
  logs: Schema.Array(LogLine)
})

/**
 * What became of a change of many jobs. With `dryRun` nothing was changed, and `done` is 0.
 *
 * @category models
 */
export const Changed = Schema.Struct({
  /** Jobs that the filter found; where nothing was changed, counted up to 100,000. */
  found: Schema.Int,
  /** Those for which it was done. */
  done: Schema.Int,
  dryRun: Schema.Boolean,
  /** There are jobs beyond the 100,000 that one call changes: call again. */
  more: Schema.Boolean
})

/**
 * @category models
 */
export type Changed = typeof Changed.Type

/**
 * A payload as it is, and as an edit would make it.
 *
 * @category models
 */
export const EditedPayload = Schema.Struct({ id: JobId, before: Schema.Json, after: Schema.Json })

/**
 * What became of a redrive.
 *
 * @category models
 */
export const Redriven = Schema.Struct({
  ...Changed.fields,
  /** Jobs whose payload could not be edited, and why. */
  refused: Schema.Array(Schema.Struct({ id: JobId, detail: Schema.String })),
  /** The first payloads as they would be: with `dryRun` and an edit. */
  sample: Schema.Array(EditedPayload)
})

/**
 * What may be said of a job that is enqueued by the name of its task.
 *
 * @category models
 */
export const NewJob = Schema.Struct({
  task: Schema.String.check(Schema.isMaxLength(128)),
  /** Defaults to what its application is set up for, else `{}`. */
  payload: Schema.optional(Schema.Json),
  /** Defaults to the queue that its application has for the task. */
  queue: Schema.optional(Schema.String.check(Schema.isNonEmpty(), Schema.isMaxLength(128))),
  priority: Schema.optional(Schema.Int.check(Schema.isBetween({ minimum: -32_768, maximum: 32_767 }))),
  /** How long from now until it is due. */
  delay: Schema.optional(Time),
  /** When it is due, in place of `delay`. */
  runAt: Schema.optional(Instant),
  tags: Schema.optional(Schema.Array(Schema.String).check(Schema.isMaxLength(64))),
  tenant: Schema.optional(Schema.String),
  /** Given: enqueued again with the same, nothing happens. */
  id: Schema.optional(JobId)
})

/**
 * @category models
 */
export type NewJob = typeof NewJob.Type

/**
 * What came of enqueuing: the id of the job, or where `duplicate` of the one that is there already.
 *
 * @category models
 */
export const EnqueuedJob = Schema.Struct({
  id: JobId,
  runId: RunId,
  duplicate: Schema.Boolean,
  /** Whether a living worker serves its queue. Where none does the job waits, and keeps its unique key. */
  served: Schema.Boolean
})

const told = <const F extends Schema.Struct.Fields>(data: F) => ({
  /** For `Last-Event-ID` of whoever connects again. */
  id: Schema.String,
  data: Schema.fromJsonString(Schema.toCodecJson(Schema.Struct(data)))
})

const items = Schema.Array(Job)

/**
 * All jobs that are watched, in place of what the stream, or one before it, said.
 *
 * @category models
 */
export const JobsReset = Schema.Struct({ event: Schema.tag("reset"), ...told({ items }) })

/**
 * Jobs that are new or differ from what the stream said of them before, and ids of those that have `left`: the filter no
 * longer finds them, or newer jobs have taken their place among the newest.
 *
 * @category models
 */
export const JobsChanged = Schema.Struct({
  event: Schema.tag("jobs"),
  ...told({ items, left: Schema.Array(JobId) })
})

/**
 * Says every 15 seconds that the stream lives.
 *
 * @category models
 */
export const Ping = Schema.Struct({ event: Schema.tag("ping"), data: Schema.String })

const params = { id: JobId }
/** Blanks alone would be every job. */
const saysSomething = Schema.makeFilter((q: string) => /\S/.test(q) || "Expected a filter that says something")

const many = { q: Filter.check(saysSomething), dryRun: Schema.optional(Schema.Boolean) } as const
const oneError = [JobUnknown, JobConflict, StoreUnavailable] as const
const manyError = [FilterInvalid, StoreUnavailable] as const

/**
 * Durable jobs: newest first.
 *
 * @category groups
 */
export class Jobs extends HttpApiGroup.make("jobs").add(
  HttpApiEndpoint.get("list", "/jobs", {
    query: { q: Schema.optional(Filter), before: Schema.optional(JobId), limit: Schema.optional(Limit) },
    // next: the value of `before` for what follows; null at the end
    success: Schema.Struct({ items: Schema.Array(Job), next: Schema.NullOr(JobId) }),
    error: manyError
  }),
  // counted up to 100,000
  HttpApiEndpoint.get("count", "/jobs/count", {
    query: { q: Schema.optional(Filter) },
    success: Schema.Struct({ count: Schema.Int }),
    error: manyError
  }),
  // the newest `limit` jobs of the filter as `reset`, then as `jobs` those that change, with the ids of
  // those that left; at most 4 events a second.
  // Who connects again with `Last-Event-ID` gets no `reset` where nothing has changed since
  HttpApiEndpoint.get("changes", "/jobs/changes", {
    query: { q: Schema.optional(Filter), limit: Schema.optional(Limit) },
    headers: { "last-event-id": Schema.optionalKey(Schema.String) },
    success: HttpApiSchema.StreamSse({ events: Schema.Union([JobsReset, JobsChanged, Ping]) }),
    error: manyError
  }),
  HttpApiEndpoint.post("enqueue", "/jobs", {
    payload: NewJob,
    success: EnqueuedJob.pipe(HttpApiSchema.status(202)),
    error: [TaskUnknown, JobRefused, StoreUnavailable]
  }),
  HttpApiEndpoint.post("cancelMany", "/jobs/cancel", {
    payload: Schema.Struct({ ...many, ...by }),
    success: Changed,
    error: manyError
  }),
  HttpApiEndpoint.post("retryMany", "/jobs/retry", {
    payload: Schema.Struct(many),
    success: Changed,
    error: manyError
  }),
  // discarded jobs run again, no faster than `perSecond`; with `edit`, a JSON merge patch of the payload, as new jobs
  HttpApiEndpoint.post("redrive", "/jobs/redrive", {
    payload: Schema.Struct({
      ...many,
      edit: Schema.optional(Schema.Json),
      perSecond: Schema.optional(Schema.Finite.check(Schema.isBetween({ minimum: 0.001, maximum: 1_000_000 }))),
      limit: Schema.optional(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 100_000 })))
    }),
    success: Redriven,
    error: manyError
  }),
  // payloads, outputs, failures and logs go for good, history stays; who did it is kept
  HttpApiEndpoint.post("eraseMany", "/jobs/erase", {
    payload: Schema.Struct({ ...many, ...by }),
    success: Changed,
    error: manyError
  }),
  HttpApiEndpoint.get("get", "/jobs/:id", { params, success: Job, error: [JobUnknown, StoreUnavailable] }),
  HttpApiEndpoint.get("attempts", "/jobs/:id/attempts", {
    params,
    success: Schema.Struct({ items: Schema.Array(Attempt) }),
    error: [JobUnknown, StoreUnavailable]
  }),
  // why it does not run, or what became of it
  HttpApiEndpoint.get("explain", "/jobs/:id/explain", {
    params,
    success: JobExplanation,
    error: [JobUnknown, StoreUnavailable]
  }),
  // already: somebody had asked before
  HttpApiEndpoint.post("cancel", "/jobs/:id/cancel", {
    params,
    payload: Schema.Struct(by),
    success: Schema.Struct({ answer: Schema.Literals(["cancelled", "requested", "already", "ended"]) }),
    error: [JobUnknown, StoreUnavailable]
  }),
  // due now; one that has ended begins its attempts anew
  HttpApiEndpoint.post("retry", "/jobs/:id/retry", { params, success: Job, error: oneError }),
  HttpApiEndpoint.post("reschedule", "/jobs/:id/reschedule", {
    params,
    payload: Schema.Union([Schema.Struct({ runAt: Instant }), Schema.Struct({ delay: Time })]),
    success: Job,
    error: [...oneError, JobRefused]
  }),
  HttpApiEndpoint.post("erase", "/jobs/:id/erase", {
    params,
    payload: Schema.Struct(by),
    success: Job,
    error: oneError
  })
).prefix("/api/v1") {}

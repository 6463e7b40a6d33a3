/**
 * A job: a durable run, a row of the database. It outlives every process that works on it.
 *
 *   enqueue --due--> available --claim--> running --> completed
 *      |                ^                   | |  \--> discarded   (out of attempts, or decided so)
 *      |  later         |  due              | |   \-> cancelled
 *      +--> scheduled --+<-- retryable <----+ |       redrive: a discarded or cancelled job is available again
 *      +--> pending ----+<-- scheduled <------+       (snoozed: no attempt spent)
 *           (waits for other jobs)   a worker that died: available again, `lost` counts it
 *
 * `available` includes jobs that are due and wait for a limit or a pause; `Job.reason` says what a job waits for.
 */
import * as Schema from "effect/Schema"
import { Items } from "../core/Attempt.ts"
import { Origin } from "../core/RunContext.ts"
import { Failure } from "../core/TaskError.ts"
import { Cancellation, RunId, StageRecord, Trigger } from "../core/TaskRun.ts"

/**
 * Identifies a job: a whole number above zero and below 2^63, as text, because numbers lose digits above 2^53. Ids that
 * the database gave sort by the time at which they were given.
 *
 * @category models
 */
export const JobId = Schema.String.check(
  Schema.isPattern(/^[1-9][0-9]{0,18}$/, { expected: "the id of a job, which is a number" }),
  // as text of 19 digits at most
  Schema.makeFilter((id: string) => id.length < 19 || id <= "9223372036854775807" || "Expected a value below 2^63")
).pipe(Schema.brand("JobId"))

/**
 * @category models
 */
export type JobId = typeof JobId.Type

/**
 * The run that a job is, by its id: the same for all of its attempts, so that it is an idempotency key for effects
 * elsewhere. It is the UUIDv7 with the millisecond of the job's id.
 *
 * @category combinators
 */
export const runIdOf = (id: JobId): RunId => {
  const bits = BigInt(id)
  const millis = (bits >> 20n).toString(16).padStart(12, "0").slice(-12)
  const sequence = Number(bits & 0xfffffn)
  const high = (sequence >> 8).toString(16).padStart(3, "0")
  const low = (sequence & 0xff).toString(16).padStart(2, "0")
  return RunId.make(`${millis.slice(0, 8)}-${millis.slice(8)}-7${high}-80${low}-000000000000`)
}

/**
 * When an id was given, in milliseconds since 1970. Of one that was derived from an event, about when that happened.
 *
 * @category combinators
 */
export const millisOf = (id: JobId): number => Number(BigInt(id) >> 20n)

/**
 * The job that a run is, if the run is one.
 *
 * @category combinators
 */
export const jobIdOf = (id: string): JobId | null => {
  const found = /^([0-9a-f]{8})-([0-9a-f]{4})-7([0-9a-f]{3})-80([0-9a-f]{2})-0{12}$/.exec(id)
  if (found === null) return null
  const [, first, second, high, low] = found
  const bits = (BigInt(`0x${first}${second}`) << 20n) | BigInt(`0x${high}${low}`)
  return bits > 0n && bits < 1n << 63n ? JobId.make(String(bits)) : null
}

/**
 * @category models
 */
export const JobState = Schema.Literals([
  "scheduled",
  "available",
  "running",
  "retryable",
  "pending",
  "completed",
  "cancelled",
  "discarded"
])

/**
 * @category models
 */
export type JobState = typeof JobState.Type

/**
 * Whether a job in this state has ended.
 *
 * @category guards
 */
export const isEnded = (state: JobState): state is "completed" | "cancelled" | "discarded" =>
  state === "completed" || state === "cancelled" || state === "discarded"

/**
 * Why an attempt did not complete: the stored form of its failure, and where the task's own typed error or one of the
 * catalogue of `TaskError` was the reason, that error in its JSON form, so that whoever awaits the job gets it back typed.
 *
 * @category models
 */
export const JobFailure = Schema.Struct({
  ...Failure.fields,
  error: Schema.optionalKey(Schema.Json),
  /** Who asked for the end, where somebody did. */
  cancellation: Schema.optionalKey(Cancellation)
})

/**
 * @category models
 */
export type JobFailure = typeof JobFailure.Type

/**
 * What a run reported besides its value: how its items fared, and the stages of its pipelines.
 *
 * @category models
 */
export const JobReport = Schema.Struct({
  items: Schema.optionalKey(Items),
  stages: Schema.optionalKey(Schema.Array(StageRecord))
})

/**
 * @category models
 */
export type JobReport = typeof JobReport.Type

/**
 * What travels with a job besides its payload.
 *
 * @category models
 */
export const JobMeta = Schema.Struct({
  trigger: Schema.optionalKey(Trigger),
  origin: Schema.optionalKey(Origin),
  /** W3C `traceparent` of whoever enqueued it. */
  traceparent: Schema.optionalKey(Schema.String),
  tags: Schema.optionalKey(Schema.Array(Schema.String)),
  /** Version of the payload; `1` where absent. */
  version: Schema.optionalKey(Schema.Int),
  /** Limit of one attempt in milliseconds, in place of the task's. */
  timeoutMs: Schema.optionalKey(Schema.Finite),
  /** When the job is discarded unless it has completed, in milliseconds since 1970 by the clock of the store. */
  deadline: Schema.optionalKey(Schema.Finite),
  /** A completion leaves no row of history. */
  forget: Schema.optionalKey(Schema.Boolean),
  /** As given at enqueue, in a queue that orders by age as well. */
  priority: Schema.optionalKey(Schema.Int),
  /** The limit that it asked for, and its key; a strict one keeps its permit while it is retried. */
  limit: Schema.optionalKey(Schema.Struct({ name: Schema.String, key: Schema.String, strict: Schema.Boolean })),
  /** The job whose work this one repeats. */
  redrivenFrom: Schema.optionalKey(JobId),
  /** Stage of a pipeline or part of a batch; read by those. */
  part: Schema.optionalKey(Schema.Json)
})

/**
 * @category models
 */
export type JobMeta = typeof JobMeta.Type

/**
 * A job as operators see it. Instants are those of the store's clock.
 *
 * @category models
 */
export class Job extends Schema.Class<Job>("ostinato/jobs/Job")({
  id: JobId,
  queue: Schema.String,
  task: Schema.String,
  state: JobState,
  /** What it waits for, or where it runs, in one sentence; null for an ended job. */
  reason: Schema.NullOr(Schema.String),
  /** Lower goes first. */
  priority: Schema.Int,
  /** Attempts begun, without those that were given back. */
  attempt: Schema.Int,
  maxAttempts: Schema.Int,
  /** How often its worker was lost while it ran. */
  lost: Schema.Int,
  /** Node of the worker that runs it, or ended it. */
  node: Schema.NullOr(Schema.String),
  payload: Schema.Json,
  meta: JobMeta,
  createdAt: Schema.DateTimeUtc,
  /** When it is due; null unless it waits for an instant. */
  runAt: Schema.NullOr(Schema.DateTimeUtc),
  availableAt: Schema.NullOr(Schema.DateTimeUtc),
  startedAt: Schema.NullOr(Schema.DateTimeUtc),
  finishedAt: Schema.NullOr(Schema.DateTimeUtc),
  /** What the handler last said; null where it said nothing. */
  progress: Schema.NullOr(Schema.Json),
  /** The value in its JSON form; null unless completed. */
  output: Schema.NullOr(Schema.Json),
  /** Null where nothing was reported, and until the end. */
  report: Schema.NullOr(JobReport),
  /** Of its newest failed attempt. */
  failure: Schema.NullOr(JobFailure)
}) {}

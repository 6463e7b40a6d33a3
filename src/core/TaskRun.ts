/**
 * A run: one invocation of a task, whatever started it and wherever it ran.
 *
 *   waiting --first attempt--> running --> completed | partial | failed | interrupted | cancelled | skipped
 *      |                          |
 *      +---- its process is gone -+--> abandoned
 *
 * A run ends exactly once. `partial` ended well with items that failed; `cancelled` was ended by somebody, `interrupted`
 * by a stop or by whoever waited for it; `skipped` decided not to run. `abandoned` means that the process died or lost its
 * lease before it could record an end; whether the work was done is then not known.
 */
import * as Context from "effect/Context"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Items } from "./Attempt.ts"
import { Origin } from "./RunContext.ts"
import { Failure } from "./TaskError.ts"

/**
 * Identifies a run: a UUIDv7. Ids of one process sort in the order in which their runs began; between processes by
 * their clocks.
 *
 * @category models
 */
export const RunId = Schema.String.check(Schema.isUUID()).pipe(Schema.brand("RunId"))

/**
 * @category models
 */
export type RunId = typeof RunId.Type

/**
 * Where new run ids come from. Replace it to make ids repeatable in a simulation.
 *
 * @category services
 */
export const NextRunId = Context.Reference<Effect.Effect<RunId>>("ostinato/core/TaskRun/NextRunId", {
  defaultValue: () => {
    const random = SecureRandom.make(SecureRandom.randomBytesUnsafe)
    return Effect.map(random.uuidV7(), (id) => RunId.make(id))
  }
})

/**
 * What started a run.
 *
 * @category models
 */
export const Trigger = Schema.Union([
  Schema.Struct({ kind: Schema.Literal("schedule"), schedule: Schema.String, tick: Schema.DateTimeUtc }),
  Schema.Struct({ kind: Schema.Literal("cli"), host: Schema.String, pid: Schema.Int }),
  Schema.Struct({ kind: Schema.Literal("http"), method: Schema.String, path: Schema.String }),
  Schema.Struct({ kind: Schema.Literal("task"), runId: RunId }),
  Schema.Struct({ kind: Schema.Literal("code") })
])

/**
 * @category models
 */
export type Trigger = typeof Trigger.Type

/**
 * The state of a run.
 *
 * @category models
 */
export const RunStatus = Schema.Literals([
  "waiting",
  "running",
  "completed",
  "partial",
  "failed",
  "interrupted",
  "cancelled",
  "skipped",
  "abandoned"
])

/**
 * @category models
 */
export type RunStatus = typeof RunStatus.Type

/**
 * Whether a run in this state has not ended.
 *
 * @category guards
 */
export const isOpen = (status: RunStatus): status is "waiting" | "running" =>
  status === "waiting" || status === "running"

/**
 * Who ended a run before its time, and why.
 *
 * @category models
 */
export const Cancellation = Schema.Struct({
  actor: Schema.NullOr(Schema.String),
  reason: Schema.NullOr(Schema.String)
})

/**
 * @category models
 */
export type Cancellation = typeof Cancellation.Type

/**
 * A run as the log keeps it.
 *
 * @category models
 */
export class TaskRun extends Schema.Class<TaskRun>("ostinato/core/TaskRun")({
  id: RunId,
  /** Name of the task. */
  task: Schema.String,
  trigger: Trigger,
  /** For whom it was made. */
  origin: Origin,
  /** Where it ran: `here`, `pool <name>`, … */
  executor: Schema.String,
  /** The payload in its JSON form. */
  payload: Schema.Json,
  status: RunStatus,
  /** Attempts begun. `1` for a task that needed no retry; `0` until the end. */
  attempts: Schema.Int,
  /** Machine and process that run it. */
  host: Schema.String,
  pid: Schema.Int,
  traceId: Schema.NullOr(Schema.String),
  /** When it was accepted, by the clock of the store. */
  startedAt: Schema.DateTimeUtc,
  finishedAt: Schema.NullOr(Schema.DateTimeUtc),
  /** Milliseconds between the request and the first attempt, by a monotonic clock; null until the end. */
  queueMs: Schema.NullOr(Schema.Finite),
  /** Milliseconds from the first attempt to the end, retries and their delays included; null until the end. */
  runMs: Schema.NullOr(Schema.Finite),
  /** The value in its JSON form; null unless completed. */
  output: Schema.NullOr(Schema.Json),
  failure: Schema.NullOr(Failure),
  /** How its items fared; null unless the handler told. */
  items: Schema.NullOr(Items),
  /** Asked for by somebody; the run may have ended in another way all the same. */
  cancellation: Schema.NullOr(Cancellation)
}) {}

/**
 * One attempt of a run.
 *
 * @category models
 */
export const AttemptRecord = Schema.Struct({
  /** Name of the task, in a composed task that of the member. */
  task: Schema.String,
  /** 1-based. */
  number: Schema.Int,
  /** Milliseconds. */
  runMs: Schema.Finite,
  failure: Schema.NullOr(Failure)
})

/**
 * @category models
 */
export type AttemptRecord = typeof AttemptRecord.Type

/**
 * One stage of a pipeline in a run.
 *
 * @category models
 */
export const StageRecord = Schema.Struct({
  /** Pipeline and stage, and for a pipeline within others these before it, e.g. `insights.sync/accounts`. */
  stage: Schema.String,
  /** Name of its task. */
  task: Schema.String,
  status: Schema.Literals(["completed", "failed", "interrupted", "skipped"]),
  /** Why it was skipped: a stage before it, its own condition, or the end of the pipeline. */
  skipped: Schema.NullOr(Schema.Struct({
    by: Schema.Literals(["dependency", "condition", "stop"]),
    reason: Schema.String
  })),
  /** Milliseconds from the start of its pipeline; null where it did not start, or had completed in an earlier run. */
  startMs: Schema.NullOr(Schema.Finite),
  /** Milliseconds, retries and their delays included; `0` where it did not start. */
  runMs: Schema.Finite
})

/**
 * @category models
 */
export type StageRecord = typeof StageRecord.Type

/**
 * A line that a run logged.
 *
 * @category models
 */
export const LogLine = Schema.Struct({
  at: Schema.DateTimeUtc,
  level: Schema.String,
  message: Schema.String
})

/**
 * @category models
 */
export type LogLine = typeof LogLine.Type

/**
 * What is kept of a run besides its record, oldest first: its newest attempts, the newest lines that it logged,
 * and the stages of its pipelines.
 *
 * @category models
 */
export const RunDetails = Schema.Struct({
  attempts: Schema.Array(AttemptRecord),
  logs: Schema.Array(LogLine),
  /** Absent where no pipeline ran. */
  stages: Schema.optionalKey(Schema.Array(StageRecord))
})

/**
 * @category models
 */
export type RunDetails = typeof RunDetails.Type

/**
 * A run: one invocation of a task, whatever started it and wherever it ran.
 *
 * A run begins `running` and ends exactly once. `abandoned` means that the process died or lost its lease before it
 * could record an end; whether the work was done is then not known.
 */
import * as Context from "effect/Context"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
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
export const RunStatus = Schema.Literals(["running", "completed", "failed", "interrupted", "abandoned"])

/**
 * @category models
 */
export type RunStatus = typeof RunStatus.Type

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
  /** The payload in its JSON form. */
  payload: Schema.Json,
  status: RunStatus,
  /** Attempts begun so far. `1` for a task that needed no retry. */
  attempts: Schema.Int,
  /** Machine and process that run it. */
  host: Schema.String,
  pid: Schema.Int,
  traceId: Schema.NullOr(Schema.String),
  /** By the clock of the store. */
  startedAt: Schema.DateTimeUtc,
  finishedAt: Schema.NullOr(Schema.DateTimeUtc),
  /** Milliseconds between the request and the first attempt, by a monotonic clock; null until the end. */
  queueMs: Schema.NullOr(Schema.Finite),
  /** Milliseconds from the first attempt to the end, retries and their delays included; null until the end. */
  runMs: Schema.NullOr(Schema.Finite),
  /** The value in its JSON form; null unless completed. */
  output: Schema.NullOr(Schema.Json),
  failure: Schema.NullOr(Failure)
}) {}

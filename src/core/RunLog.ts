/**
 * The log of runs: the one place where everything that ran can be seen.
 *
 * A driver promises: a run that `begin` acknowledged is listed until retention removes it, also after a crash of any
 * process; `end` closes a run at most once, and a second end changes nothing; runs whose process is gone become
 * `abandoned` by themselves; a run can be cancelled from every node that sees the log, and its process is told within
 * seconds; what is kept is bounded by age and by number, and a run that has not ended is never removed. The log takes no
 * part in the caller's transaction. Drivers: `MemoryRunLog` here, `PostgresRunLog` in the room store.
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Items } from "./Attempt.ts"
import type { Origin } from "./RunContext.ts"
import type { Failure } from "./TaskError.ts"
import type { Cancellation, RunDetails, RunId, RunStatus, TaskRun, Trigger } from "./TaskRun.ts"

/**
 * The log could not be read or written.
 *
 * @category errors
 */
export class RunLogUnavailable extends Schema.TaggedError<RunLogUnavailable>()("RunLogUnavailable", {
  /** What was being done, e.g. `begin run`. */
  operation: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `run log: ${this.operation} failed: ${this.detail}`
  }
}

/**
 * What is known when a run begins.
 *
 * @category models
 */
export interface RunStart {
  readonly id: RunId
  readonly task: string
  readonly trigger: Trigger
  readonly origin: Origin
  readonly executor: string
  readonly payload: Schema.Json
  readonly traceId: string | null
  /** `waiting` where the first attempt follows later. */
  readonly status: "waiting" | "running"
}

/**
 * A run that was begun.
 *
 * @category models
 */
export interface Begun {
  /** Who cancelled the run, as soon as somebody does. */
  readonly cancelled: Effect.Effect<Cancellation>
}

/**
 * What is known when a run ends.
 *
 * @category models
 */
export interface RunEnd {
  readonly status: Exclude<RunStatus, "waiting" | "running" | "abandoned">
  readonly attempts: number
  /** Milliseconds. */
  readonly queueMs: number
  /** Milliseconds. */
  readonly runMs: number
  readonly output: Schema.Json | null
  readonly failure: Failure | null
  readonly items: Items | null
  readonly details: RunDetails
}

/**
 * What came of asking to cancel a run: `requested`, `already` where somebody had asked before, `ended` where it is over,
 * `unknown` where there is no such run.
 *
 * @category models
 */
export type CancelAnswer = "requested" | "already" | "ended" | "unknown"

/**
 * How much is kept. What passes either bound goes, oldest first.
 *
 * @category models
 */
export interface Retention {
  /** Age of ended runs. Defaults to `90 days`. */
  readonly age?: Duration.Input | undefined
  /** Number of ended runs. */
  readonly runs?: number | undefined
  /** Age of the details (attempts, logs) of ended runs. Defaults to `14 days`. */
  readonly details?: Duration.Input | undefined
}

/**
 * Which runs to list, newest first.
 *
 * @category models
 */
export interface RunQuery {
  /** Only runs of this task. */
  readonly task?: string | undefined
  /** Only runs in this state. */
  readonly status?: RunStatus | undefined
  /** Only runs of this tenant. */
  readonly tenant?: string | undefined
  /** Only runs older than this one: the cursor of the next page. */
  readonly before?: RunId | undefined
  /** Defaults to `50`; at most `200`. */
  readonly limit?: number | undefined
}

/**
 * The record of all runs. What a driver of it promises stands above.
 *
 * @category services
 */
export class RunLog extends Context.Service<RunLog, {
  /** Records a new run. */
  readonly begin: (run: RunStart) => Effect.Effect<Begun, RunLogUnavailable>
  /** Says that a waiting run makes its first attempt. */
  readonly started: (id: RunId) => Effect.Effect<void, RunLogUnavailable>
  /** Closes a run. `false`: it was closed already, by an earlier end or as abandoned. */
  readonly end: (id: RunId, end: RunEnd) => Effect.Effect<boolean, RunLogUnavailable>
  /** Asks a run that has not ended to stop. It ends as `cancelled` once its finalizers have ended. */
  readonly cancel: (id: string, by: Cancellation) => Effect.Effect<CancelAnswer, RunLogUnavailable>
  /** One run, or null when there is none. */
  readonly get: (id: string) => Effect.Effect<TaskRun | null, RunLogUnavailable>
  /** Attempts and logs of a run that has ended; null when there are none, or no longer. */
  readonly details: (id: string) => Effect.Effect<RunDetails | null, RunLogUnavailable>
  /** Runs, newest first. */
  readonly list: (query: RunQuery) => Effect.Effect<ReadonlyArray<TaskRun>, RunLogUnavailable>
}>()("ostinato/core/RunLog") {}

/**
 * The bounds of a page of runs: `50` unless asked otherwise, never more than `200`.
 *
 * @category models
 */
export const pageSize = (query: RunQuery): number => Math.min(Math.max(1, Math.trunc(query.limit ?? 50)), 200)

/**
 * The log of runs: the one place where everything that ran can be seen.
 *
 * A driver promises: a run that `begin` acknowledged is listed until retention removes it, also after a crash of any
 * process; `end` closes a run at most once, and a second end changes nothing; runs whose process is gone become
 * `abandoned` by themselves. Drivers: `MemoryRunLog` here, `PostgresRunLog` in the room store.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Failure } from "./TaskError.ts"
import type { RunId, RunStatus, TaskRun, Trigger } from "./TaskRun.ts"

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
  readonly payload: Schema.Json
  readonly traceId: string | null
}

/**
 * What is known when a run ends.
 *
 * @category models
 */
export interface RunEnd {
  readonly status: Exclude<RunStatus, "running" | "abandoned">
  readonly attempts: number
  /** Milliseconds. */
  readonly queueMs: number
  /** Milliseconds. */
  readonly runMs: number
  readonly output: Schema.Json | null
  readonly failure: Failure | null
}

/**
 * Which runs to list, newest first.
 *
 * @category models
 */
export interface RunQuery {
  /** Only runs of this task. */
  readonly task?: string | undefined
  /** Only runs older than this one: the cursor of the next page. */
  readonly before?: RunId | undefined
  /** Defaults to `50`; at most `200`. */
  readonly limit?: number | undefined
}

/**
 * @category services
 */
export class RunLog extends Context.Service<RunLog, {
  /** Records a new run as `running`. */
  readonly begin: (run: RunStart) => Effect.Effect<void, RunLogUnavailable>
  /** Closes a run. `false`: it was closed already, by an earlier end or as abandoned. */
  readonly end: (id: RunId, end: RunEnd) => Effect.Effect<boolean, RunLogUnavailable>
  /** One run, or null when there is none. */
  readonly get: (id: string) => Effect.Effect<TaskRun | null, RunLogUnavailable>
  /** Runs, newest first. */
  readonly list: (query: RunQuery) => Effect.Effect<ReadonlyArray<TaskRun>, RunLogUnavailable>
}>()("ostinato/core/RunLog") {}

/**
 * The bounds of a page of runs: `50` unless asked otherwise, never more than `200`.
 *
 * @category models
 */
export const pageSize = (query: RunQuery): number => Math.min(Math.max(1, Math.trunc(query.limit ?? 50)), 200)

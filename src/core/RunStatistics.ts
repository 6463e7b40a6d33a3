/**
 * How a number of runs fared: counts by outcome, and percentiles of queue time and run time.
 *
 * Percentiles are those of the nearest rank (the smallest value that at least p % of the values do not exceed), so each
 * is a time that a run really took.
 */
import * as Schema from "effect/Schema"
import { RunStatus, type TaskRun } from "./TaskRun.ts"

/**
 * Milliseconds; null where no run has such a time yet.
 *
 * @category models
 */
export const Percentiles = Schema.Struct({
  p50: Schema.NullOr(Schema.Finite),
  p95: Schema.NullOr(Schema.Finite),
  p99: Schema.NullOr(Schema.Finite),
  max: Schema.NullOr(Schema.Finite)
})

/**
 * @category models
 */
export type Percentiles = typeof Percentiles.Type

/**
 * How a number of runs fared.
 *
 * @category models
 */
export const RunStatistics = Schema.Struct({
  /** How many runs were looked at. */
  runs: Schema.Int,
  /** By status; one that no run has is left out. */
  outcomes: Schema.Record(Schema.String, Schema.Int),
  queueMs: Percentiles,
  runMs: Percentiles
})

/**
 * @category models
 */
export type RunStatistics = typeof RunStatistics.Type

/**
 * Sums runs up, those that have not ended too.
 *
 * @category constructors
 * @example
 * ```ts
 * import { RunStatistics } from "ostinato"
 *
 * RunStatistics.percentiles([10, 30, 20, null]) // => { p50: 20, p95: 30, p99: 30, max: 30 }
 * ```
 */
export const of = (runs: ReadonlyArray<TaskRun>): RunStatistics => ({
  runs: runs.length,
  outcomes: Object.fromEntries(
    RunStatus.literals
      .map((status) => [status, runs.filter((run) => run.status === status).length] as const)
      .filter(([, count]) => count > 0)
  ),
  queueMs: percentiles(runs.map((run) => run.queueMs)),
  runMs: percentiles(runs.map((run) => run.runMs))
})

/**
 * The percentiles of times in milliseconds; those that are null do not count.
 *
 * @category constructors
 */
export const percentiles = (times: ReadonlyArray<number | null>): Percentiles => {
  const sorted = times.filter((time) => time !== null).sort((a, b) => a - b)
  const at = (p: number) => sorted[Math.max(0, Math.ceil((p / 100) * sorted.length) - 1)] ?? null
  return { p50: at(50), p95: at(95), p99: at(99), max: at(100) }
}

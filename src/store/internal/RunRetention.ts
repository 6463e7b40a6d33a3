/**
 * Keeps the log of runs within its bounds: a little at a time, next to whatever else happens, on every node.
 *
 * Runs that have not ended are never touched. Rows that another node is removing are passed over.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { Retention } from "../../core/RunLog.ts"

/** Rows removed by one statement. */
const batch = 1000

/** Removes what has passed its bounds. */
export const prune = (sql: SqlClient.SqlClient, schema: string, retention: Retention) => {
  const s = sql(schema)
  const age = Duration.toSeconds(Duration.fromInputUnsafe(retention.age ?? "90 days"))
  const details = Duration.toSeconds(Duration.fromInputUnsafe(retention.details ?? "14 days"))
  const runs = retention.runs ?? 100_000
  const repeated = <E>(remove: Effect.Effect<ReadonlyArray<unknown>, E>) =>
    Effect.repeat(remove, { while: (rows) => rows.length === batch })

  const oldDetails = sql`
    DELETE FROM ${s}.run_details WHERE run_id IN (
      SELECT run_id FROM ${s}.run_details WHERE kept_at < now() - ${details} * interval '1 second'
      LIMIT ${batch} FOR UPDATE SKIP LOCKED) RETURNING 1`
  const oldRuns = sql`
    WITH gone AS (
      DELETE FROM ${s}.run WHERE id IN (
        SELECT id FROM ${s}.run
        WHERE finished_at IS NOT NULL AND (finished_at < now() - ${age} * interval '1 second' OR finished_at <= (
          SELECT finished_at FROM ${s}.run WHERE finished_at IS NOT NULL
          ORDER BY finished_at DESC OFFSET ${runs} LIMIT 1))
        LIMIT ${batch} FOR UPDATE SKIP LOCKED) RETURNING id
    ), details AS (DELETE FROM ${s}.run_details WHERE run_id IN (SELECT id FROM gone))
    SELECT 1 FROM gone`
  return Effect.andThen(repeated(oldDetails), repeated(oldRuns))
}

/**
 * The wish to cancel a run, on its way to the process that holds it.
 *
 * The wish is a column of the run, so it is never lost: each renewal of the lease brings it. The notification that is
 * committed with it only makes it prompt.
 */
import type * as PgClient from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { SqlError } from "effect/sql/SqlError"
import type { CancelAnswer } from "../../core/RunLog.ts"
import { Cancellation, type RunId } from "../../core/TaskRun.ts"
import * as StoredText from "../StoredText.ts"

/** What processes that hold runs listen to, on the carrier of `Notifier`: the name of the schema. */
export const channel = "runs"

/** A run with the wish, as the driver gives it. */
export interface Row {
  readonly id: string
  readonly cancellation: unknown
}

/** One statement, so that of two who cancel at the same time one is told that the other was first. */
export const request = (
  sql: PgClient.PgClient,
  schema: string,
  id: RunId,
  by: Cancellation
): Effect.Effect<CancelAnswer, SqlError> =>
  Effect.map(
    sql<{ answer: CancelAnswer }>`
      WITH asked AS (
        UPDATE ${sql(schema)}.run SET cancellation = ${sql.json(StoredText.json(by))}
        WHERE id = ${id}::uuid AND status IN ('running', 'waiting') AND cancellation IS NULL RETURNING id
      )
      SELECT CASE WHEN (SELECT pg_notify(${schema}, ${channel})::text FROM asked) IS NOT NULL THEN 'requested'
        WHEN status IN ('running', 'waiting') THEN 'already' ELSE 'ended' END AS answer
      FROM ${sql(schema)}.run WHERE id = ${id}::uuid`,
    ([row]) => row?.answer ?? "unknown"
  )

/** Those of the runs that somebody wants to end. */
export const asked = (
  sql: PgClient.PgClient,
  schema: string,
  held: ReadonlyArray<string>
): Effect.Effect<ReadonlyArray<Row>, SqlError> =>
  sql<Row>`
    SELECT id::text, cancellation FROM ${sql(schema)}.run
    WHERE id = ANY(${held}::uuid[]) AND status IN ('running', 'waiting') AND cancellation IS NOT NULL`

export const decode = Schema.decodeUnknownEffect(Cancellation)

/**
 * Erases what a person may ask to be forgotten: payloads, outputs, failures, logs and progress of ended jobs. Their
 * history stays: what they were, when they ran, how often and how they ended. Who asked for it, when and why, is kept for
 * good.
 *
 * What is erased is overwritten; the server's own copies of old rows go with its next vacuum of the table.
 */
import type * as PgClient from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import type { Cancellation } from "../../../core/TaskRun.ts"
import * as StoredText from "../../../store/StoredText.ts"
import { JobId } from "../../Job.ts"
import { storable } from "./filterSql.ts"

export const make = (sql: PgClient.PgClient, schema: string) => {
  const s = sql(schema)
  const text = (value: string | null) => value === null ? null : StoredText.text(value)

  // whoever makes an ended job run again takes its outcome away, so the lock of that keeps both apart
  const erase = (ids: ReadonlyArray<JobId>, by: Cancellation) => {
    const asked = storable(ids)
    if (asked.length === 0) return Effect.succeed<ReadonlySet<JobId>>(new Set())
    return Effect.map(
      sql<{ id: string }>`
        WITH asked AS MATERIALIZED (SELECT DISTINCT unnest(${asked}::bigint[]) AS id
        ), held AS MATERIALIZED (
          SELECT d.job_id FROM ${s}.done d WHERE d.job_id = ANY(${asked}::bigint[]) ORDER BY d.job_id FOR UPDATE
        ), ended AS MATERIALIZED (
          SELECT j.id FROM asked a JOIN ${s}.job j ON j.id = a.id
          WHERE j.id IN (SELECT job_id FROM held) OR (
            NOT EXISTS (SELECT FROM ${s}.done d WHERE d.job_id = j.id)
            AND NOT EXISTS (SELECT FROM ${s}.later l WHERE l.job_id = j.id)
            AND NOT EXISTS (SELECT FROM ${s}.ready r WHERE r.queue_id = j.queue_id AND r.priority = j.priority
              AND r.ord = j.ord AND r.job_id = j.id))
        ), bodies AS (
          UPDATE ${s}.job j SET args = 'null', meta = CASE WHEN jsonb_typeof(j.meta) = 'object' THEN j.meta - 'part' END
          FROM ended e WHERE j.id = e.id
        ), outputs AS (
          UPDATE ${s}.done d SET output = NULL, report = NULL FROM ended e WHERE d.job_id = e.id
        ), failures AS (DELETE FROM ${s}.failure f USING ended e WHERE f.job_id = e.id
        ), logs AS (DELETE FROM ${s}.job_log g USING ended e WHERE g.job_id = e.id
        ), said AS (DELETE FROM ${s}.progress p USING ended e WHERE p.job_id = e.id
        ), kept AS (
          INSERT INTO ${s}.erasure (actor, reason, count, jobs)
          SELECT ${text(by.actor)}::text, ${text(by.reason)}::text, count(*), array_agg(id ORDER BY id) FROM ended
          HAVING count(*) > 0
        )
        SELECT id::text AS id FROM ended`.unprepared,
      (rows): ReadonlySet<JobId> => new Set(rows.map(({ id }) => JobId.make(id)))
    )
  }

  return { erase }
}

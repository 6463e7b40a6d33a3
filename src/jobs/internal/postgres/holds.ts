/**
 * Kinds and tenants that are paused, on every node, until they are released.
 *
 * A worker that claims a job of one gives it back held. Releasing lets those go on: the hold goes first, so a job that is
 * given back in that moment is due at once, and what a crash leaves in between the sweep finds.
 */
import type * as PgClient from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as StoredText from "../../../store/StoredText.ts"

/** Jobs let go by one statement. */
const batch = 10_000

export const make = (options: {
  readonly sql: PgClient.PgClient
  readonly schema: string
  readonly wake: (queues: ReadonlyArray<number>) => Effect.Effect<void>
}) => {
  const { schema, sql, wake } = options
  const s = sql(schema)

  return {
    list: Effect.map(
      sql<{ name: string }>`SELECT name FROM ${s}.holds ORDER BY name`,
      (rows): ReadonlySet<string> => new Set(rows.map(({ name }) => name))
    ),
    put: (hold: string) =>
      Effect.asVoid(sql`INSERT INTO ${s}.holds (name) VALUES (${StoredText.text(hold)}) ON CONFLICT DO NOTHING`),
    release: Effect.fnUntraced(function*(hold: string) {
      const name = StoredText.text(hold)
      yield* sql`DELETE FROM ${s}.holds WHERE name = ${name}`
      while (true) {
        const rows = yield* sql`
          UPDATE ${s}.later l SET state = 's', note = NULL, run_at = least(run_at, now()) WHERE job_id IN (
            SELECT job_id FROM ${s}.later WHERE state = 'h' AND note = ${name} ORDER BY job_id LIMIT ${batch} FOR UPDATE)
          RETURNING 1`
        if (rows.length > 0) yield* wake([0])
        if (rows.length < batch) return
      }
    })
  }
}

/**
 * What an operator looks at when jobs are slow or the database grows: who keeps dead rows from being removed, how many
 * there are, how much is stored, and what runs for the longest.
 */
import type * as PgClient from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"

/** What keeps rows of finished jobs from being removed, the oldest first. */
export interface Pinning {
  readonly kind: "connection" | "replication slot" | "prepared transaction"
  /** Process, name or identifier. */
  readonly who: string
  /** Transactions since. */
  readonly age: number
  /** How long its transaction is open; null where that is not known. */
  readonly seconds: number | null
  readonly detail: string
}

interface Health {
  readonly pinning: ReadonlyArray<Pinning>
  /** Of the hot table. Rows are estimates of the server. */
  readonly ready: { readonly rows: number; readonly deadRows: number; readonly bytes: number }
  /** Of all tables of jobs, with their indexes. */
  readonly bytes: number
  /** Rows in the default tables, which have no day: many of them say that days are not made. */
  readonly strays: number
  /** Of what runs, the one that began first; null where nothing runs. */
  readonly oldestRunning: { readonly id: string; readonly seconds: number } | null
}

export const make = (house: PgClient.PgClient, schema: string) => {
  const s = house(schema)

  const pinning = house<Pinning>`
    SELECT 'connection' AS kind, pid::text AS who, age(backend_xmin)::int AS age,
      extract(epoch FROM now() - xact_start)::float8 AS seconds,
      concat_ws(' ', state, nullif(application_name, '')) AS detail
    FROM pg_stat_activity WHERE backend_xmin IS NOT NULL AND pid <> pg_backend_pid()
    UNION ALL
    SELECT 'replication slot', slot_name::text, greatest(age(xmin), age(catalog_xmin))::int, NULL, slot_type
    FROM pg_replication_slots WHERE xmin IS NOT NULL OR catalog_xmin IS NOT NULL
    UNION ALL
    SELECT 'prepared transaction', gid, age(transaction)::int, extract(epoch FROM now() - prepared)::float8, owner::text
    FROM pg_prepared_xacts
    ORDER BY age DESC LIMIT 20`

  const sizes = house<{ rows: number; deadRows: number; bytes: number; all: number; strays: number }>`
    SELECT coalesce(max(t.n_live_tup) FILTER (WHERE t.relname = 'ready'), 0)::float8 AS rows,
      coalesce(max(t.n_dead_tup) FILTER (WHERE t.relname = 'ready'), 0)::float8 AS "deadRows",
      coalesce(max(pg_total_relation_size(t.relid)) FILTER (WHERE t.relname = 'ready'), 0)::float8 AS bytes,
      coalesce(sum(pg_total_relation_size(t.relid)), 0)::float8 AS all,
      coalesce(max(t.n_live_tup) FILTER (WHERE t.relname = 'job_default'), 0)::float8 AS strays
    FROM pg_stat_user_tables t
    WHERE t.schemaname = ${schema} AND t.relname ~ '^(job|done|failure|job_log|progress)_|^(ready|later|uniq|edge)$'`

  const oldest = house<{ id: string; seconds: number }>`
    SELECT job_id::text AS id, greatest(0, extract(epoch FROM now() - claimed_at))::float8 AS seconds
    FROM ${s}.ready WHERE worker_id IS NOT NULL AND claimed_at IS NOT NULL ORDER BY claimed_at LIMIT 1`

  return Effect.gen(function*() {
    const [size] = yield* sizes
    const [running] = yield* oldest
    const health: Health = {
      pinning: yield* pinning,
      ready: { rows: size?.rows ?? 0, deadRows: size?.deadRows ?? 0, bytes: size?.bytes ?? 0 },
      bytes: size?.all ?? 0,
      strays: size?.strays ?? 0,
      oldestRunning: running ?? null
    }
    return health
  })
}

/**
 * How the tables of the house fare, as gauges: their bytes, what vacuum has still to take away of them, and how far back
 * the oldest open transaction holds it from doing so.
 *
 * Partitions count for the table that they are part of. Asked for once in 15 seconds at most, on the connections of the
 * house. A database that does not answer leaves the last values.
 */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import { ControlSql } from "../store/ControlSql.ts"
import { DatabaseSchema } from "../store/DatabaseSchema.ts"
import * as SqlFault from "../store/SqlFault.ts"
import * as gaugeFamily from "./internal/gaugeFamily.ts"

const horizon = Metric.gauge("ostinato_database_horizon_lag_seconds", {
  description: "Age of the oldest open transaction: what died since cannot be vacuumed"
})

/**
 * Makes what brings the gauges up to date.
 *
 * @category constructors
 */
export const make = Effect.gen(function*() {
  const sql = yield* ControlSql
  const schema = yield* DatabaseSchema
  const bytes = gaugeFamily.make("ostinato_table_bytes", "Bytes of the table with its indexes, in the database")
  const dead = gaugeFamily.make("ostinato_table_dead_tuples", "Rows of the table that wait for vacuum, as estimated")

  const refresh = Effect.gen(function*() {
    const tables = yield* sql<{ table: string; bytes: number; dead: number }>`
      SELECT coalesce(p.relname, c.relname) AS table, sum(pg_total_relation_size(c.oid))::float8 AS bytes,
        sum(coalesce(s.n_dead_tup, 0))::float8 AS dead
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      LEFT JOIN pg_inherits i ON i.inhrelid = c.oid LEFT JOIN pg_class p ON p.oid = i.inhparent
      LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid
      WHERE n.nspname = ${schema} AND c.relkind = 'r'
      GROUP BY 1`
    const [oldest] = yield* sql<{ seconds: number }>`
      SELECT coalesce(extract(epoch FROM max(clock_timestamp() - xact_start)), 0)::float8 AS seconds
      FROM pg_stat_activity WHERE datname = current_database() AND backend_xmin IS NOT NULL AND pid <> pg_backend_pid()`
    yield* bytes(tables.map(({ bytes: value, table }) => ({ labels: { table }, value })))
    yield* dead(tables.map(({ dead: value, table }) => ({ labels: { table }, value })))
    yield* Metric.update(horizon, oldest?.seconds ?? 0)
  }).pipe(
    Effect.catch((error) => Effect.logWarning(`tables could not be looked at: ${SqlFault.explain(error)}`)),
    Effect.withTracerEnabled(false)
  )
  return yield* Effect.cachedWithTTL(refresh, "15 seconds")
})

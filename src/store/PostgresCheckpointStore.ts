/**
 * Checkpoints in Postgres: how far long work has come, on every node, also after a crash.
 *
 * Unlike the log of runs this takes part in the caller's transaction: a checkpoint that is saved beside the work commits
 * with it or not at all. Outside a transaction it is committed when `save` succeeds. Checkpoints that have not been saved
 * anew for the retention are pruned.
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { CheckpointStore, CheckpointUnavailable } from "../core/CheckpointStore.ts"
import { Supervisor } from "../core/Supervisor.ts"
import { ControlSql } from "./ControlSql.ts"
import { DatabaseSchema } from "./DatabaseSchema.ts"
import type { Line } from "./Migration.ts"
import * as SqlFault from "./SqlFault.ts"
import * as StoredText from "./StoredText.ts"

/**
 * The table behind the checkpoints.
 *
 * @category migrations
 */
export const migrations: Line = {
  name: "checkpoint",
  steps: {
    "0001_checkpoint": Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const s = sql(yield* DatabaseSchema)
      yield* sql`
        CREATE TABLE ${s}.checkpoint (
          key text PRIMARY KEY,
          value jsonb NOT NULL,
          saved_at timestamptz NOT NULL DEFAULT now()
        )`
      yield* sql`CREATE INDEX checkpoint_saved ON ${s}.checkpoint (saved_at)`
    })
  }
}

/**
 * @category layers
 */
export const layer = (options?: {
  /** How long a checkpoint is kept after it was saved. Defaults to `14 days`. */
  readonly retention?: Duration.Input | undefined
}): Layer.Layer<CheckpointStore, never, PgClient.PgClient | ControlSql | Supervisor> =>
  Layer.effect(
    CheckpointStore,
    Effect.gen(function*() {
      // a value is given back as it was saved, whatever names the application's client transforms
      const sql = (yield* PgClient.PgClient).withoutTransforms()
      const s = sql(yield* DatabaseSchema)
      const control = yield* ControlSql
      const supervisor = yield* Supervisor
      const json = (value: Schema.Json) => value === null ? null : sql.json(StoredText.json(value))
      const retention = Duration.toSeconds(Duration.fromInputUnsafe(options?.retention ?? "14 days"))

      const prune = control`
        DELETE FROM ${s}.checkpoint WHERE key IN (
          SELECT key FROM ${s}.checkpoint WHERE saved_at < now() - ${retention} * interval '1 second'
          LIMIT ${batch} FOR UPDATE SKIP LOCKED) RETURNING 1`.pipe(
        Effect.repeat({ while: (rows) => rows.length === batch }),
        Effect.delay("1 hour"),
        Effect.forever,
        Effect.withTracerEnabled(false)
      )
      yield* supervisor.start("checkpoint retention", prune)

      return CheckpointStore.of({
        load: (key) =>
          attempt(
            "load",
            key,
            Effect.map(
              sql<{ value: Schema.Json }>`SELECT value FROM ${s}.checkpoint WHERE key = ${StoredText.text(key)}`,
              ([row]) => row === undefined ? Option.none() : Option.some(row.value)
            )
          ),
        save: (key, value) =>
          attempt(
            "save",
            key,
            // a JSON null is a value, and no missing one
            sql`
              INSERT INTO ${s}.checkpoint (key, value)
              VALUES (${StoredText.text(key)}, coalesce(${json(value)}::jsonb, 'null'::jsonb))
              ON CONFLICT (key) DO UPDATE SET value = excluded.value, saved_at = now()`
          ),
        clear: (key) => attempt("clear", key, sql`DELETE FROM ${s}.checkpoint WHERE key = ${StoredText.text(key)}`)
      })
    })
  )

/** Rows removed by one statement. */
const batch = 1000

const attempt = <A>(operation: string, key: string, statement: Effect.Effect<A, SqlError>) =>
  Effect.mapError(
    statement,
    (error) =>
      new CheckpointUnavailable({
        operation,
        key,
        detail: SqlFault.explain(error, "PostgresCheckpointStore.migrations")
      })
  )

/**
 * The tables behind the log of runs, and how their rows are read.
 *
 * A row that this version cannot read, because a newer one wrote it, is left out and said so: it never hides the others.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { Identifier } from "effect/sql/Statement"
import { RunDetails, RunId, TaskRun, Trigger } from "../../core/TaskRun.ts"
import { DatabaseSchema } from "../DatabaseSchema.ts"
import type { Line } from "../Migration.ts"

export const migrations: Line = {
  name: "store",
  steps: {
    "0001_run": Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const s = sql(yield* DatabaseSchema)
      yield* sql`
        CREATE TABLE ${s}.run (
          id uuid PRIMARY KEY,
          task text NOT NULL,
          trigger jsonb NOT NULL,
          payload jsonb,
          status text NOT NULL,
          attempts int NOT NULL DEFAULT 0,
          host text NOT NULL,
          pid int NOT NULL,
          trace_id text,
          started_at timestamptz NOT NULL DEFAULT now(),
          finished_at timestamptz,
          lease_until timestamptz,
          queue_ms float8,
          run_ms float8,
          output jsonb,
          failure jsonb
        )`
      yield* sql`CREATE INDEX run_task ON ${s}.run (task, id)`
      yield* sql`CREATE INDEX run_open ON ${s}.run (lease_until) WHERE status = 'running'`
    }),
    "0002_origin_and_details": Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const s = sql(yield* DatabaseSchema)
      yield* sql`
        ALTER TABLE ${s}.run ADD tenant text, ADD actor text, ADD executor text NOT NULL DEFAULT 'here',
          ADD items jsonb, ADD cancellation jsonb`
      yield* sql`CREATE INDEX run_waiting ON ${s}.run (lease_until) WHERE status = 'waiting'`
      yield* sql`CREATE INDEX run_ended ON ${s}.run (finished_at) WHERE finished_at IS NOT NULL`
      yield* sql`
        CREATE TABLE ${s}.run_details (
          run_id uuid PRIMARY KEY,
          kept_at timestamptz NOT NULL DEFAULT now(),
          details jsonb NOT NULL
        )`
      yield* sql`CREATE INDEX run_details_kept ON ${s}.run_details (kept_at)`
    }),
    // one for both states: two are of no use to a statement about either
    "0003_unfinished_runs": Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const s = sql(yield* DatabaseSchema)
      yield* sql`CREATE INDEX run_unfinished ON ${s}.run (lease_until) WHERE status IN ('running', 'waiting')`
      yield* sql`DROP INDEX ${s}.run_open, ${s}.run_waiting`
    })
  }
}

/** Closes runs of others whose lease ran out; with `exclusive` also those that began before the server did. */
export const sweep = (
  sql: SqlClient.SqlClient,
  s: Identifier,
  options: { readonly mine: ReadonlyArray<string>; readonly exclusive: boolean }
) =>
  // whoever holds one of these rows is ending or renewing it, or sweeps too
  sql`
    UPDATE ${s}.run SET status = 'abandoned', finished_at = now(), lease_until = NULL
    WHERE id IN (
      SELECT id FROM ${s}.run WHERE status IN ('running', 'waiting')
        AND (lease_until < now() OR ${options.exclusive}::boolean AND started_at < pg_postmaster_start_time())
        AND NOT id = ANY(${options.mine}::uuid[])
      FOR UPDATE SKIP LOCKED)`

export const columns = (sql: SqlClient.SqlClient) =>
  sql.literal(
    `id::text, task, trigger, jsonb_build_object('tenant', tenant, 'actor', actor) AS origin, executor, payload,
    status, attempts, host, pid, trace_id AS "traceId", started_at AS "startedAt", finished_at AS "finishedAt",
    queue_ms AS "queueMs", run_ms AS "runMs", output, failure, items, cancellation`
  )

export const isRunId = Schema.is(RunId)

export const encodeTrigger = Schema.encodeEffect(Schema.toCodecJson(Trigger))

const decodeRun = Schema.decodeUnknownEffect(Schema.Struct({
  ...TaskRun.fields,
  trigger: Schema.toCodecJson(Trigger),
  startedAt: Schema.DateTimeUtcFromDate,
  finishedAt: Schema.NullOr(Schema.DateTimeUtcFromDate)
}))

export const decodeRuns = (rows: ReadonlyArray<unknown>): Effect.Effect<ReadonlyArray<TaskRun>> =>
  Effect.gen(function*() {
    const runs: Array<TaskRun> = []
    for (const row of rows) {
      const run = yield* Effect.result(decodeRun(row))
      if (run._tag === "Success") runs.push(new TaskRun(run.success))
      else yield* Effect.logWarning(`a run of another version cannot be read and is left out: ${run.failure.message}`)
    }
    return runs
  })

export const encodeDetails = Schema.encodeEffect(Schema.toCodecJson(RunDetails))

export const decodeDetails = Schema.decodeUnknownEffect(Schema.toCodecJson(RunDetails))

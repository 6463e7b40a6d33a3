/**
 * The log of runs in Postgres: what ran on every node, also after a crash.
 *
 * A running run is held by a lease (`LeaseTiming`), renewed by the process that runs it. When the process is gone the
 * lease runs out, and whichever node sweeps next closes the run as abandoned. The database's clock is the only one.
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import * as NodeOs from "node:os"
import * as NodeProcess from "node:process"
import * as LeaseTiming from "../core/LeaseTiming.ts"
import { pageSize, RunLog, RunLogUnavailable } from "../core/RunLog.ts"
import { Supervisor } from "../core/Supervisor.ts"
import { RunId, TaskRun, Trigger } from "../core/TaskRun.ts"
import type { Line } from "./Migration.ts"
import * as SqlFault from "./SqlFault.ts"
import * as StoredText from "./StoredText.ts"

/**
 * The tables behind the log.
 *
 * @category migrations
 */
export const migrations: Line = {
  name: "store",
  schema: "ostinato",
  steps: {
    "0001_run": Effect.flatMap(SqlClient.SqlClient, (sql) =>
      Effect.andThen(
        sql`
          CREATE TABLE ostinato.run (
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
          )`,
        Effect.andThen(
          sql`CREATE INDEX run_task ON ostinato.run (task, id)`,
          sql`CREATE INDEX run_open ON ostinato.run (lease_until) WHERE status = 'running'`
        )
      ))
  }
}

/**
 * @category layers
 */
export const layer = (options?: {
  /**
   * No process that used this database before can be alive, because this one has just started the server itself: runs
   * that are still open are closed at once instead of when their leases run out. Defaults to `false`.
   */
  readonly exclusive?: boolean | undefined
}): Layer.Layer<RunLog, RunLogUnavailable, PgClient.PgClient | Supervisor> =>
  Layer.effect(
    RunLog,
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      const supervisor = yield* Supervisor
      const host = NodeOs.hostname()
      const running = new Set<RunId>()
      const until = sql.literal(`now() + interval '${Duration.toSeconds(LeaseTiming.duration)} seconds'`)
      const json = (value: Schema.Json | null) => value === null ? null : sql.json(StoredText.json(value))

      // what began before this server did cannot be alive where this process started it; a guest may have begun since
      const sweep = (exclusive: boolean) =>
        attempt(
          "sweep",
          sql`
            UPDATE ostinato.run SET status = 'abandoned', finished_at = now(), lease_until = NULL
            WHERE status = 'running' AND (lease_until < now() OR ${exclusive}::boolean AND started_at < pg_postmaster_start_time())
              AND NOT id = ANY(${Array.from(running)}::uuid[])`
        )
      const renew = Effect.suspend(() =>
        running.size === 0 ? Effect.void : attempt(
          "renew leases",
          sql`
            UPDATE ostinato.run SET lease_until = ${until}
            WHERE status = 'running' AND id = ANY(${Array.from(running)}::uuid[])`
        )
      )
      // renewal comes first, so that a process that slept keeps what it holds
      const beat = Effect.andThen(renew, sweep(false)).pipe(
        Effect.delay(LeaseTiming.renewEvery),
        Effect.forever,
        Effect.withTracerEnabled(false)
      )

      yield* sweep(options?.exclusive ?? false)
      yield* supervisor.start("run leases", beat)

      return RunLog.of({
        begin: (run) =>
          attempt(
            "begin run",
            Effect.gen(function*() {
              const trigger = yield* encodeTrigger(run.trigger)
              yield* sql`
                INSERT INTO ostinato.run (id, task, trigger, payload, status, host, pid, trace_id, lease_until)
                VALUES (${run.id}::uuid, ${run.task}, ${sql.json(trigger)}, ${json(run.payload)}, 'running',
                  ${host}, ${NodeProcess.pid}, ${run.traceId}, ${until})`
              running.add(run.id)
            })
          ),
        end: (id, end) =>
          attempt(
            "end run",
            Effect.suspend(() => {
              // an end that cannot be written must not keep its lease alive
              running.delete(id)
              return Effect.map(
                sql`
                  UPDATE ostinato.run SET status = ${end.status}, attempts = ${end.attempts}, queue_ms = ${end.queueMs},
                    run_ms = ${end.runMs}, output = ${json(end.output)}, failure = ${json(end.failure)},
                    finished_at = now(), lease_until = NULL
                  WHERE id = ${id}::uuid AND status = 'running' RETURNING id`,
                (rows) => rows.length > 0
              )
            })
          ),
        get: (id) =>
          isRunId(id)
            ? attempt(
              "get run",
              Effect.map(
                Effect.flatMap(sql`SELECT ${columns(sql)} FROM ostinato.run WHERE id = ${id}::uuid`, decode),
                (runs) => runs[0] ?? null
              )
            )
            : Effect.succeed(null),
        list: (query) => {
          const task = query.task === undefined ? null : StoredText.text(query.task)
          return attempt(
            "list runs",
            Effect.flatMap(
              sql`
                SELECT ${columns(sql)} FROM ostinato.run
                WHERE (${task}::text IS NULL OR task = ${task})
                  AND (${query.before ?? null}::uuid IS NULL OR id < ${query.before ?? null}::uuid)
                ORDER BY id DESC LIMIT ${pageSize(query)}`,
              decode
            )
          )
        }
      })
    })
  )

const columns = (sql: SqlClient.SqlClient) =>
  sql.literal(`id::text, task, trigger, payload, status, attempts, host, pid, trace_id AS "traceId",
    started_at AS "startedAt", finished_at AS "finishedAt", queue_ms AS "queueMs", run_ms AS "runMs", output, failure`)

const isRunId = Schema.is(RunId)

const encodeTrigger = Schema.encodeEffect(Schema.toCodecJson(Trigger))

const Row = Schema.Struct({
  ...TaskRun.fields,
  trigger: Schema.toCodecJson(Trigger),
  startedAt: Schema.DateTimeUtcFromDate,
  finishedAt: Schema.NullOr(Schema.DateTimeUtcFromDate)
})

const decodeRows = Schema.decodeUnknownEffect(Schema.Array(Row))

const decode = (rows: ReadonlyArray<unknown>) =>
  Effect.map(decodeRows(rows), (rows) => rows.map((row) => new TaskRun(row)))

const attempt = <A, E extends { readonly message: string }, R>(operation: string, work: Effect.Effect<A, E, R>) =>
  Effect.mapError(work, (error) => new RunLogUnavailable({ operation, detail: SqlFault.explain(error) }))

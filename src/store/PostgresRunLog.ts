/**
 * The log of runs in Postgres: what ran on every node, also after a crash.
 *
 * A run that has not ended is held by a lease (`LeaseTiming`), renewed by the process that holds it. When the process is
 * gone the lease runs out, and whichever node sweeps next closes the run as abandoned. While the database is away ends
 * are kept in memory and written when it is back. The wish of another node to cancel a run comes with the renewal, and
 * at once where the process has a `Notifier`. The database's clock is the only one. Nothing here takes part in the
 * caller's transaction: what ran stays on record when that is rolled back. It has the connections of the house, so
 * leases are renewed also when the pool of user code is full.
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as NodeOs from "node:os"
import * as NodeProcess from "node:process"
import * as LeaseTiming from "../core/LeaseTiming.ts"
import { pageSize, type Retention, type RunEnd, RunLog, RunLogUnavailable } from "../core/RunLog.ts"
import { Supervisor } from "../core/Supervisor.ts"
import type { Cancellation, RunId } from "../core/TaskRun.ts"
import { ControlSql } from "./ControlSql.ts"
import { DatabaseSchema } from "./DatabaseSchema.ts"
import * as LateEnds from "./internal/LateEnds.ts"
import * as LeaseBeat from "./internal/LeaseBeat.ts"
import * as RunCancellation from "./internal/RunCancellation.ts"
import * as RunRetention from "./internal/RunRetention.ts"
import * as RunTable from "./internal/RunTable.ts"
import type { Line } from "./Migration.ts"
import { Notifier } from "./Notifier.ts"
import * as Outage from "./Outage.ts"
import * as SqlFault from "./SqlFault.ts"
import * as StoredText from "./StoredText.ts"
import * as Tx from "./Tx.ts"

/**
 * The tables behind the log.
 *
 * @category migrations
 */
export const migrations: Line = RunTable.migrations

/**
 * Takes a `Notifier` if there is one: without it a run learns only with its next renewal, within 5 seconds, that another
 * node wants it to end.
 *
 * @category layers
 */
export const layer = (options?: {
  /**
   * No process that used this database before can be alive, because this one has just started the server itself: runs
   * that are still open are closed at once instead of when their leases run out. Defaults to `false`.
   */
  readonly exclusive?: boolean | undefined
  /** Number of ended runs defaults to `100_000`. */
  readonly retention?: Retention | undefined
}): Layer.Layer<RunLog, RunLogUnavailable, ControlSql | Supervisor> =>
  Layer.effect(
    RunLog,
    Effect.gen(function*() {
      const sql = yield* ControlSql
      const schema = yield* DatabaseSchema
      const s = sql(schema)
      const supervisor = yield* Supervisor
      const host = NodeOs.hostname()
      // what this process holds, and where to say that it was cancelled
      const open = new Map<string, Deferred.Deferred<Cancellation>>()
      const until = sql.literal(`now() + interval '${Duration.toSeconds(LeaseTiming.duration)} seconds'`)
      const json = (value: Schema.Json | null) => value === null ? null : sql.json(StoredText.json(value))
      const text = (value: string | null) => value === null ? null : StoredText.text(value)

      // what began before this server did cannot be alive where this process started it; a guest may have begun since
      const sweep = (exclusive: boolean) =>
        Effect.suspend(() => attempt("sweep", RunTable.sweep(sql, s, { exclusive, mine: Array.from(open.keys()) })))
      const tell = (id: string, cancellation: Cancellation) =>
        Effect.suspend(() => {
          const cancelled = open.get(id)
          return cancelled === undefined ? Effect.void : Deferred.succeed(cancelled, cancellation)
        })
      const tellAll = (rows: ReadonlyArray<RunCancellation.Row>) =>
        Effect.forEach(
          rows.filter((row) => row.cancellation !== null),
          (row) => Effect.flatMap(RunCancellation.decode(row.cancellation), (by) => tell(row.id, by)),
          { discard: true }
        )
      // asked also where nothing is held, so that a sweep knows how long the database has been there
      const renew = Effect.suspend(() =>
        attempt(
          "renew leases",
          Effect.flatMap(
            sql<RunCancellation.Row>`
              UPDATE ${s}.run SET lease_until = ${until}
              WHERE status IN ('running', 'waiting') AND id = ANY(${Array.from(open.keys())}::uuid[])
              RETURNING id::text, cancellation`,
            tellAll
          )
        )
      )
      const heed = Effect.suspend(() =>
        open.size === 0 ? Effect.void : attempt(
          "read cancellations",
          Effect.flatMap(RunCancellation.asked(sql, schema, Array.from(open.keys())), tellAll)
        )
      )
      const beat = LeaseBeat.run({ renew, sweep: sweep(false), every: LeaseTiming.renewEvery }).pipe(
        Effect.withTracerEnabled(false)
      )
      const retention = attempt("prune", RunRetention.prune(sql, schema, options?.retention ?? {})).pipe(
        Effect.delay("1 minute"),
        Effect.forever,
        Effect.withTracerEnabled(false)
      )

      const writeEnd = (id: RunId, { details, ...end }: RunEnd) =>
        Effect.gen(function*() {
          const kept = yield* RunTable.encodeDetails(details)
          const rows = yield* sql`
            WITH ended AS (
              UPDATE ${s}.run SET status = ${end.status}, attempts = ${end.attempts}, queue_ms = ${end.queueMs},
                run_ms = ${end.runMs}, output = ${json(end.output)}, failure = ${json(end.failure)},
                items = ${json(end.items)}, finished_at = now(), lease_until = NULL
              WHERE id = ${id}::uuid AND status IN ('running', 'waiting') RETURNING id
            ), details AS (
              INSERT INTO ${s}.run_details (run_id, details) SELECT id, ${json(kept)} FROM ended
            )
            SELECT 1 FROM ended`
          return rows.length > 0
        }).pipe(Effect.tap(() => Effect.sync(() => open.delete(id))))
      const late = yield* LateEnds.make(writeEnd, Outage.isOutage)

      yield* sweep(options?.exclusive ?? false)
      yield* supervisor.start("run ends", Effect.withTracerEnabled(late.run, false))
      yield* supervisor.start("run leases", beat)
      yield* supervisor.start("run retention", retention)
      const notifier = yield* Effect.serviceOption(Notifier)
      if (Option.isSome(notifier)) {
        const wakes = notifier.value.listen(RunCancellation.channel, { poll: LeaseTiming.renewEvery })
        yield* supervisor.start(
          "run cancellations",
          Effect.withTracerEnabled(Stream.runForEach(wakes, () => heed), false)
        )
      }

      return RunLog.of({
        begin: (run) =>
          attempt(
            "begin run",
            Effect.gen(function*() {
              const trigger = yield* RunTable.encodeTrigger(run.trigger)
              const cancelled = yield* Deferred.make<Cancellation>()
              // before anybody sees the row, and with it may ask the run to end
              open.set(run.id, cancelled)
              yield* sql`
                INSERT INTO ${s}.run (id, task, trigger, tenant, actor, executor, payload, status, host, pid, trace_id,
                  lease_until)
                VALUES (${run.id}::uuid, ${run.task}, ${sql.json(trigger)}, ${text(run.origin.tenant)},
                  ${text(run.origin.actor)}, ${run.executor}, ${json(run.payload)}, ${run.status}, ${host},
                  ${NodeProcess.pid}, ${run.traceId}, ${until})`
              return { cancelled: Deferred.await(cancelled) }
            })
          ).pipe(Effect.onError(() => Effect.sync(() => open.delete(run.id)))),
        started: (id) =>
          attempt(
            "start run",
            sql`UPDATE ${s}.run SET status = 'running' WHERE id = ${id}::uuid AND status = 'waiting'`
          ),
        end: (id, end) =>
          attempt(
            "end run",
            // an end that cannot be written must not keep its lease alive, unless it will be
            Effect.ensuring(late.attempt(id, end), Effect.sync(() => late.has(id) || open.delete(id)))
          ),
        cancel: (id, by) =>
          RunTable.isRunId(id)
            ? attempt(
              "cancel run",
              Effect.tap(
                RunCancellation.request(sql, schema, id, by),
                (answer) => answer === "requested" ? tell(id, by) : Effect.void
              )
            )
            : Effect.succeed("unknown"),
        get: (id) =>
          RunTable.isRunId(id)
            ? attempt(
              "get run",
              sql`SELECT ${RunTable.columns(sql)} FROM ${s}.run WHERE id = ${id}::uuid`.pipe(
                Effect.flatMap(RunTable.decodeRuns),
                Effect.map((runs) => runs[0] ?? null)
              )
            )
            : Effect.succeed(null),
        details: (id) =>
          RunTable.isRunId(id)
            ? attempt(
              "get details of run",
              Effect.flatMap(
                sql<{ details: unknown }>`SELECT details FROM ${s}.run_details WHERE run_id = ${id}::uuid`,
                ([row]) => row === undefined ? Effect.succeed(null) : RunTable.decodeDetails(row.details)
              )
            )
            : Effect.succeed(null),
        list: (query) => {
          const { before = null, status = null } = query
          const task = text(query.task ?? null)
          const tenant = text(query.tenant ?? null)
          return attempt(
            "list runs",
            Effect.flatMap(
              sql`
                SELECT ${RunTable.columns(sql)} FROM ${s}.run
                WHERE (${task}::text IS NULL OR task = ${task}) AND (${status}::text IS NULL OR status = ${status})
                  AND (${tenant}::text IS NULL OR tenant = ${tenant})
                  AND (${before}::uuid IS NULL OR id < ${before}::uuid)
                ORDER BY id DESC LIMIT ${pageSize(query)}`,
              RunTable.decodeRuns
            )
          )
        }
      })
    })
  )

const attempt = <A, E extends { readonly message: string }>(operation: string, work: Effect.Effect<A, E>) =>
  Effect.mapError(
    Tx.outside(work),
    (error) => new RunLogUnavailable({ operation, detail: SqlFault.explain(error, "PostgresRunLog.migrations") })
  )

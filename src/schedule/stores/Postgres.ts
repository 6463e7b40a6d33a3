/**
 * Schedules in Postgres: many nodes, one place in time.
 *
 * A decision is one transaction that holds the row of its schedule: whoever comes second sees what the first wrote. The
 * primary key of `tick` makes an instant exist at most once. The database's clock is the only one. Nothing here takes part
 * in the caller's transaction. Locks are taken in one order, so nothing here waits in a circle: the row of a schedule, then
 * its ticks; several of a kind by name and instant. Leases are kept over the connections of the house, also when the pool
 * of user code is full.
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import type * as Statement from "effect/sql/Statement"
import { fromCause } from "../../core/TaskError.ts"
import { ControlSql } from "../../store/ControlSql.ts"
import { Database } from "../../store/Database.ts"
import { DatabaseSchema } from "../../store/DatabaseSchema.ts"
import type { Line } from "../../store/Migration.ts"
import * as SqlFault from "../../store/SqlFault.ts"
import * as StoredText from "../../store/StoredText.ts"
import * as place from "../internal/place.ts"
import * as decision from "../internal/postgres/decision.ts"
import * as tables from "../internal/postgres/tables.ts"
import {
  type Definition,
  Schedule,
  ScheduleNotFound,
  ScheduleStore,
  ScheduleStoreUnavailable,
  ScheduleTaken
} from "../ScheduleStore.ts"
import type { Claim, Retention } from "../Tick.ts"
import * as Timetable from "../Timetable.ts"

/**
 * The tables behind the store.
 *
 * @category migrations
 */
export const migrations: Line = tables.migrations

/**
 * @category layers
 */
export const layer = (options?: {
  /**
   * No process that used this database before can be alive, because this one has just started the server itself: ticks
   * that are still open are closed at once instead of when their leases run out. Defaults to `false`.
   */
  readonly exclusive?: boolean | undefined
  /** Of each schedule the newest 1,000 ended ticks of the last 90 days are kept by default. */
  readonly retention?: Retention | undefined
}): Layer.Layer<ScheduleStore, ScheduleStoreUnavailable, PgClient.PgClient | ControlSql> =>
  Layer.effect(
    ScheduleStore,
    Effect.gen(function*() {
      // rows and JSON are read as they were written, whatever names the application's client transforms; what is handed
      // over with a decision is written by the client of user code, and the rest does not wait for that
      const sql = (yield* PgClient.PgClient).withoutTransforms()
      const house = (yield* ControlSql).withoutTransforms()
      const s = sql(yield* DatabaseSchema)
      const until = decision.until(sql)
      const retention = options?.retention ?? {}
      // names of schedules that cannot be read
      const told = new Set<string>()
      const transaction = <A, E>(work: Effect.Effect<A, E>) =>
        Effect.provideService(Database.transaction(work), SqlClient.SqlClient, sql)

      // what was claimed before this server started cannot be alive where this process started it
      if (options?.exclusive ?? false) {
        yield* attempt(
          "close open ticks",
          sql`
            UPDATE ${s}.tick SET lease_until = now() - interval '1 second'
            WHERE finished_at IS NULL AND lease_until IS NOT NULL
              AND coalesce(begun_at, fired_at) < pg_postmaster_start_time()`
        )
      }

      const insert = Effect.fnUntraced(function*(definition: Definition) {
        const first = yield* Timetable.first(definition.timetable, yield* decision.now(sql))
        const progress = yield* tables.encodeProgress(first.progress)
        const inserted = yield* sql`
          INSERT INTO ${s}.schedule (name, task, timetable, next_tick, progress, source, tenant, policy, payload, seen_until)
          VALUES (${definition.name}, ${definition.task}, ${sql.json(Timetable.stored(definition.timetable))},
            ${first.nextTick === null ? null : DateTime.toDateUtc(first.nextTick)}, ${sql.json(progress)},
            ${definition.source}, ${definition.tenant}, ${sql.json(definition.policy)}, ${
          payload(definition)
        }, ${until})
          ON CONFLICT DO NOTHING RETURNING 1`
        return inserted.length > 0
      })
      const payload = (definition: Definition) =>
        definition.payload === null ? null : sql.json(StoredText.json(definition.payload))

      const update = Effect.fnUntraced(function*(definition: Definition) {
        const { now, schedule } = yield* decision.situation(sql, s, definition.name)
        if (schedule.source !== definition.source || schedule.tenant !== definition.tenant) {
          return yield* new ScheduleTaken({ name: definition.name })
        }
        const stands = yield* place.changed(schedule, definition.timetable, now)
        const progress = yield* tables.encodeProgress(stands.progress)
        const timetable = sql.json(Timetable.stored(definition.timetable))
        const policy = sql.json(definition.policy)
        // jsonb compares by value, whatever the order of keys
        yield* sql`
          UPDATE ${s}.schedule SET task = ${definition.task}, timetable = ${timetable}, policy = ${policy},
            payload = ${payload(definition)}, progress = ${sql.json(progress)},
            next_tick = ${stands.nextTick === null ? null : DateTime.toDateUtc(stands.nextTick)},
            seen_until = greatest(seen_until, ${until}), revision = revision + 1, delay_ms = NULL
          WHERE name = ${definition.name} AND (task, timetable, policy, coalesce(payload, 'null'))
            IS DISTINCT FROM (${definition.task}, ${timetable}::jsonb, ${policy}::jsonb,
              coalesce(${payload(definition)}::jsonb, 'null'))`
        yield* sql`
          UPDATE ${s}.schedule SET seen_until = greatest(seen_until, ${until}) WHERE name = ${definition.name}`
      })
      const get = Effect.fnUntraced(function*(name: string) {
        const [row] = yield* decision.schedules(sql, s, name)
        return row === undefined
          ? yield* new ScheduleNotFound({ name })
          : new Schedule(yield* tables.decodeSchedule(row))
      })

      /** In a savepoint: what fails leaves nothing behind, and its tick is closed all the same. */
      const handedOver = Effect.fnUntraced(function*(claim: Claim, work: Effect.Effect<unknown, unknown> | undefined) {
        if (work === undefined) return false
        const exit = yield* Effect.exit(transaction(work))
        const detail = Exit.isSuccess(exit) ? null : StoredText.text(fromCause(exit.cause).message)
        yield* sql`
          UPDATE ${s}.tick SET begun_at = now(), finished_at = now(), detail = ${detail},
            outcome = ${Exit.isSuccess(exit) ? "completed" : "failed"}
          WHERE schedule = ${claim.schedule} AND tick = ${DateTime.toDateUtc(claim.tick)}`
        return true
      })

      const changeHeld = (operation: string, claim: Claim, change: Statement.Fragment) =>
        attempt(
          operation,
          Effect.map(
            house`
              UPDATE ${s}.tick SET ${change}
              WHERE schedule = ${claim.schedule} AND tick = ${DateTime.toDateUtc(claim.tick)} AND epoch = ${claim.epoch}
                AND finished_at IS NULL AND lease_until IS NOT NULL
              RETURNING 1`,
            (rows) => rows.length > 0
          )
        )

      return ScheduleStore.of({
        register: (definition) =>
          attempt(
            `register ${definition.name}`,
            transaction(Effect.gen(function*() {
              if (!(yield* insert(definition))) yield* update(definition)
              return yield* get(definition.name)
            }))
          ).pipe(
            Effect.catchTag(
              "ScheduleNotFound",
              (error) => Effect.fail(new ScheduleStoreUnavailable({ operation: "register", detail: error.message }))
            )
          ),
        remove: (name) =>
          attempt(
            `remove ${name}`,
            transaction(Effect.gen(function*() {
              yield* decision.lock(sql, s, name)
              return (yield* sql`DELETE FROM ${s}.schedule WHERE name = ${name} RETURNING 1`).length > 0
            }))
          ),
        advance: (name, plan, enqueue) =>
          attempt(
            `advance ${name}`,
            transaction(Effect.gen(function*() {
              const situation = yield* decision.situation(sql, s, name)
              const advance = yield* plan(situation)
              const { skipped, started } = yield* decision.write(sql, s, situation, advance, retention)
              yield* decision.place(sql, s, situation, advance)
              const kept = yield* Effect.filter(
                started,
                (claim) => Effect.map(handedOver(claim, enqueue?.(claim, situation.schedule)), (done) => !done)
              )
              const wait = DateTime.toEpochMillis(advance.wakeAt) - DateTime.toEpochMillis(situation.now)
              return {
                schedule: situation.schedule,
                plan: advance,
                started: kept,
                skipped,
                enqueued: started.length - kept.length,
                wait: Duration.millis(Math.max(0, wait))
              }
            }))
          ),
        begin: (claim) =>
          changeHeld("begin tick", claim, sql`begun_at = coalesce(begun_at, now()), lease_until = ${until}`),
        release: (claim) =>
          Effect.asVoid(changeHeld("release tick", claim, sql`lease_until = NULL, begun_at = NULL, stop_at = NULL`)),
        renew: (claims) =>
          attempt(
            "renew leases",
            Effect.map(
              house<{ schedule: string; tick: Date; isLost: boolean; isStopping: boolean }>`
                WITH held AS (
                  SELECT * FROM unnest(${claims.map((claim) => claim.schedule)}::text[],
                    ${claims.map((claim) => DateTime.toDateUtc(claim.tick))}::timestamptz[],
                    ${claims.map((claim) => claim.epoch)}::int[]) AS k(schedule, tick, epoch)
                ), locked AS (
                  SELECT t.schedule, t.tick FROM ${s}.tick t JOIN held k USING (schedule, tick, epoch)
                  WHERE t.finished_at IS NULL AND t.lease_until IS NOT NULL
                  ORDER BY t.schedule, t.tick FOR UPDATE OF t
                ), kept AS (
                  UPDATE ${s}.tick t SET lease_until = ${until} FROM locked k
                  WHERE t.schedule = k.schedule AND t.tick = k.tick
                  RETURNING t.schedule, t.tick, t.stop_at
                )
                SELECT t.schedule, t.tick, kept.tick IS NULL AS "isLost", kept.stop_at IS NOT NULL AS "isStopping"
                FROM held k JOIN ${s}.tick t ON t.schedule = k.schedule AND t.tick = k.tick
                LEFT JOIN kept ON kept.schedule = k.schedule AND kept.tick = k.tick`,
              (rows) => {
                const keys = (some: typeof rows) =>
                  some.map(({ schedule, tick }) => ({ schedule, tick: DateTime.fromDateUnsafe(tick) }))
                return {
                  lost: keys(rows.filter((row) => row.isLost)),
                  stop: keys(rows.filter((row) => row.isStopping))
                }
              }
            )
          ),
        finish: (claim, outcome, detail) =>
          attempt(
            "finish tick",
            Effect.map(
              house<{ decide: boolean }>`
                WITH ended AS (
                  UPDATE ${s}.tick SET finished_at = now(), outcome = ${outcome},
                    detail = ${detail === null ? null : StoredText.text(detail)}
                  WHERE schedule = ${claim.schedule} AND tick = ${DateTime.toDateUtc(claim.tick)}
                    AND epoch = ${claim.epoch} AND finished_at IS NULL AND lease_until IS NOT NULL
                )
                SELECT progress ->> 'phase' = 'running' OR EXISTS (
                  SELECT 1 FROM ${s}.tick WHERE schedule = s.name AND finished_at IS NULL AND lease_until IS NULL
                ) AS decide FROM ${s}.schedule s WHERE name = ${claim.schedule}`,
              ([row]) => row?.decide ?? false
            )
          ),
        poll: Duration.seconds(5),
        look: (mine, hold) =>
          attempt(
            "look at schedules",
            Effect.gen(function*() {
              const seconds = Duration.toSeconds(hold)
              yield* house`
                WITH mine AS (
                  SELECT name FROM ${s}.schedule
                  WHERE name = ANY(${[...mine]}::text[]) AND seen_until < now() + ${seconds / 2} * interval '1 second'
                  ORDER BY name FOR NO KEY UPDATE
                )
                UPDATE ${s}.schedule s SET seen_until = now() + ${seconds} * interval '1 second'
                FROM mine WHERE s.name = mine.name`
              const now = yield* decision.now(house)
              const rows = yield* decision.schedules(house, s)
              return { now, schedules: yield* tables.readable(rows, told) }
            })
          ),
        list: attempt(
          "list schedules",
          Effect.flatMap(decision.schedules(house, s), (rows) => tables.readable(rows, told))
        ),
        ticks: (name, limit) =>
          attempt(
            "list ticks",
            Effect.flatMap(
              house`
                SELECT schedule, tick, outcome, detail FROM ${s}.tick WHERE schedule = ${name}
                ORDER BY tick DESC LIMIT ${limit}`,
              tables.decodeTicks
            )
          )
      })
    })
  )

const attempt = <A, E extends { readonly _tag: string; readonly message: string }>(
  operation: string,
  work: Effect.Effect<A, E>
) =>
  Effect.mapError(
    Database.outside(work),
    (error): Extract<E, ScheduleNotFound | ScheduleTaken> | ScheduleStoreUnavailable =>
      isOurs(error)
        ? error
        : new ScheduleStoreUnavailable({
          operation,
          detail: SqlFault.explain(error, "PostgresScheduleStore.migrations")
        })
  ).pipe(Effect.withSpan(`ScheduleStore ${operation}`))

const isOurs = <E>(error: E): error is Extract<E, ScheduleNotFound | ScheduleTaken> =>
  error instanceof ScheduleNotFound || error instanceof ScheduleTaken

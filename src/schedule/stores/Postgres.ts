/**
 * Schedules in Postgres: many nodes, one place in time.
 *
 * A decision is one transaction that holds the row of its schedule: whoever comes second sees what the first wrote. The
 * primary key of `tick` makes an instant exist at most once. The database's clock is the only one.
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import * as LeaseTiming from "../../core/LeaseTiming.ts"
import type { Line } from "../../store/Migration.ts"
import * as SqlFault from "../../store/SqlFault.ts"
import * as StoredText from "../../store/StoredText.ts"
import { changed } from "../internal/place.ts"
import { type Advance, Schedule, ScheduleStore, ScheduleStoreUnavailable, TickOutcome } from "../ScheduleStore.ts"

/**
 * The tables behind the store.
 *
 * @category migrations
 */
export const migrations: Line = {
  name: "schedule",
  schema: "ostinato",
  steps: {
    "0001_schedule": Effect.flatMap(SqlClient.SqlClient, (sql) =>
      Effect.andThen(
        sql`
          CREATE TABLE ostinato.schedule (
            name text PRIMARY KEY,
            task text NOT NULL,
            timetable jsonb NOT NULL,
            last_tick timestamptz,
            next_tick timestamptz NOT NULL
          )`,
        Effect.andThen(
          sql`
            CREATE TABLE ostinato.tick (
              schedule text NOT NULL REFERENCES ostinato.schedule (name),
              tick timestamptz NOT NULL,
              fired_at timestamptz NOT NULL DEFAULT now(),
              lease_until timestamptz,
              finished_at timestamptz,
              outcome text,
              detail text,
              PRIMARY KEY (schedule, tick)
            )`,
          sql`CREATE INDEX tick_open ON ostinato.tick (schedule) WHERE finished_at IS NULL`
        )
      ))
  }
}

/**
 * @category layers
 */
export const layer = (options?: {
  /**
   * No process that used this database before can be alive, because this one has just started the server itself: ticks
   * that are still open are closed at once instead of when their leases run out. Defaults to `false`.
   */
  readonly exclusive?: boolean | undefined
}): Layer.Layer<ScheduleStore, ScheduleStoreUnavailable, PgClient.PgClient> =>
  Layer.effect(
    ScheduleStore,
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      const leaseSeconds = Duration.toSeconds(LeaseTiming.duration)
      const until = sql.literal(`now() + interval '${leaseSeconds} seconds'`)

      // without a name: what fired before this server started, which cannot be alive where this process started it
      const abandon = (name: string | null) =>
        sql`
          UPDATE ostinato.tick SET finished_at = now(), outcome = 'abandoned', detail = 'its lease ran out'
          WHERE finished_at IS NULL AND CASE WHEN ${name}::text IS NULL THEN fired_at < pg_postmaster_start_time()
            ELSE schedule = ${name} AND lease_until < now() END`
      const select = (where: string | null) =>
        Effect.flatMap(
          sql`
            SELECT s.name, s.task, s.timetable, s.last_tick AS "lastTick", s.next_tick AS "nextTick", now() AS now,
              (SELECT count(*)::int FROM ostinato.tick t
               WHERE t.schedule = s.name AND t.finished_at IS NULL AND t.lease_until > now()) AS open
            FROM ostinato.schedule s WHERE ${where}::text IS NULL OR s.name = ${where} ORDER BY s.name`,
          decodeRows
        )
      const place = (name: string, nextTick: DateTime.Utc) =>
        sql`
          UPDATE ostinato.schedule SET next_tick = ${DateTime.toDateUtc(nextTick)},
            last_tick = (SELECT max(tick) FROM ostinato.tick WHERE schedule = ${name})
          WHERE name = ${name}`
      const insert = (name: string, ticks: ReadonlyArray<DateTime.Utc>, reason: string | null) =>
        Effect.map(
          sql<{ tick: Date }>`
            INSERT INTO ostinato.tick (schedule, tick, lease_until, finished_at, outcome, detail)
            SELECT ${name}, x, ${until}, CASE WHEN ${reason}::text IS NOT NULL THEN now() END,
              CASE WHEN ${reason}::text IS NOT NULL THEN 'skipped' END, ${reason}
            FROM unnest(${ticks.map(DateTime.toDateUtc)}::timestamptz[]) x ORDER BY x
            ON CONFLICT DO NOTHING RETURNING tick`,
          (rows) =>
            rows.map((row) => ({ schedule: name, tick: DateTime.fromDateUnsafe(row.tick) }))
              .sort((a, b) => DateTime.toEpochMillis(a.tick) - DateTime.toEpochMillis(b.tick))
        )
      const write = (name: string, advance: Advance) =>
        Effect.gen(function*() {
          const fired = advance.fire.length === 0 ? [] : yield* insert(name, advance.fire, null)
          const skipped = advance.skip.length === 0 ? [] : yield* insert(name, advance.skip, advance.reason)
          yield* place(name, advance.nextTick)
          return { fired, skipped: skipped.length }
        })

      if (options?.exclusive ?? false) yield* attempt("close open ticks", abandon(null))

      return ScheduleStore.of({
        register: ({ name, task, timetable }) =>
          attempt(
            `register ${name}`,
            sql.withTransaction(Effect.gen(function*() {
              yield* sql`
                INSERT INTO ostinato.schedule (name, task, timetable, next_tick)
                VALUES (${name}, ${task}, ${
                sql.json(timetable)
              }, now() + ${timetable.everyMs} * interval '1 millisecond')
                ON CONFLICT DO NOTHING`
              yield* lock(sql, name)
              const { now, ...known } = yield* only(name, yield* select(name))
              const nextTick = changed(known, timetable, now)
              yield* sql`
                UPDATE ostinato.schedule SET task = ${task}, timetable = ${sql.json(timetable)},
                  next_tick = ${DateTime.toDateUtc(nextTick)}
                WHERE name = ${name}`
              return new Schedule({ ...known, task, timetable, nextTick })
            }))
          ),
        advance: (name, plan) =>
          attempt(
            `advance ${name}`,
            sql.withTransaction(Effect.gen(function*() {
              yield* lock(sql, name)
              yield* abandon(name)
              const { now, ...schedule } = yield* only(name, yield* select(name))
              const advance = plan(new Schedule(schedule), now)
              const idle = advance.fire.length + advance.skip.length === 0 &&
                DateTime.toEpochMillis(advance.nextTick) === DateTime.toEpochMillis(schedule.nextTick)
              const written = idle ? { fired: [], skipped: 0 } : yield* write(name, advance)
              const wait = DateTime.toEpochMillis(advance.nextTick) - DateTime.toEpochMillis(now)
              return { ...written, wait: Duration.millis(Math.max(0, wait)), atOnce: advance.atOnce }
            }))
          ),
        renew: (keys) =>
          attempt(
            "renew leases",
            sql`
              UPDATE ostinato.tick t SET lease_until = ${until}
              FROM unnest(${keys.map((key) => key.schedule)}::text[],
                ${keys.map((key) => DateTime.toDateUtc(key.tick))}::timestamptz[]) AS k(schedule, tick)
              WHERE t.schedule = k.schedule AND t.tick = k.tick AND t.finished_at IS NULL`
          ),
        finish: (key, outcome, detail) =>
          attempt(
            "finish tick",
            sql`
              UPDATE ostinato.tick SET finished_at = now(), outcome = ${outcome},
                detail = ${detail === null ? null : StoredText.text(detail)}
              WHERE schedule = ${key.schedule} AND tick = ${DateTime.toDateUtc(key.tick)} AND finished_at IS NULL`
          ),
        list: attempt(
          "list schedules",
          Effect.map(select(null), (rows) => rows.map((row) => new Schedule(row)))
        ),
        ticks: (name, limit) =>
          attempt(
            "list ticks",
            Effect.flatMap(
              sql`
                SELECT schedule, tick, outcome, detail FROM ostinato.tick WHERE schedule = ${name}
                ORDER BY tick DESC LIMIT ${limit}`,
              decodeTicks
            )
          )
      })
    })
  )

const lock = (sql: PgClient.PgClient, name: string) =>
  sql`SELECT 1 FROM ostinato.schedule WHERE name = ${name} FOR UPDATE`

const decodeRows = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({
  ...Schedule.fields,
  lastTick: Schema.NullOr(Schema.DateTimeUtcFromDate),
  nextTick: Schema.DateTimeUtcFromDate,
  now: Schema.DateTimeUtcFromDate
})))

const decodeTicks = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({
  schedule: Schema.String,
  tick: Schema.DateTimeUtcFromDate,
  outcome: Schema.NullOr(TickOutcome),
  detail: Schema.NullOr(Schema.String)
})))

const only = <A>(name: string, rows: ReadonlyArray<A>) => {
  const row = rows[0]
  return row === undefined
    ? Effect.fail(
      new ScheduleStoreUnavailable({ operation: `advance ${name}`, detail: "the schedule was never registered" })
    )
    : Effect.succeed(row)
}

const attempt = <A, E extends { readonly message: string }, R>(operation: string, work: Effect.Effect<A, E, R>) =>
  Effect.mapError(work, (error) =>
    error instanceof ScheduleStoreUnavailable
      ? error
      : new ScheduleStoreUnavailable({ operation, detail: SqlFault.explain(error) })).pipe(
      Effect.withSpan(`ScheduleStore ${operation}`)
    )

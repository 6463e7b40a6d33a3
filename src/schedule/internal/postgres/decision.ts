/**
 * One decision in one transaction that holds the row of its schedule: whoever comes second sees what the first wrote.
 */
import type * as PgClient from "@effect/sql-pg/PgClient"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Identifier } from "effect/sql/Statement"
import * as LeaseTiming from "../../../core/LeaseTiming.ts"
import * as StoredText from "../../../store/StoredText.ts"
import { type Advance, Schedule, ScheduleNotFound, type Situation } from "../../ScheduleStore.ts"
import type { Asked, Retention, Unfinished } from "../../Tick.ts"
import * as tables from "./tables.ts"

export type Sql = PgClient.PgClient

const leaseSeconds = Duration.toSeconds(LeaseTiming.duration)

/** The end of a lease that begins now. */
export const until = (sql: Sql) => sql.literal(`now() + interval '${leaseSeconds} seconds'`)

/** One schedule or all, by name, with the number of their ticks in work and waiting, and the time. */
export const schedules = (sql: Sql, s: Identifier, name?: string) => {
  const all = sql.literal("TRUE")
  return sql<{ name: string }>`
    SELECT s.name, s.task, s.source, s.tenant, s.timetable, s.policy, s.payload, s.paused, s.revision,
      s.last_tick AS "lastTick", s.next_tick AS "nextTick", s.progress, s.delay_ms AS "delayMs",
      s.seen_until <= now() AS orphaned, now() AS now, coalesce(t.open, 0)::int AS open,
      coalesce(t.waiting, 0)::int AS waiting
    FROM ${s}.schedule s LEFT JOIN (
      SELECT schedule, count(*) FILTER (WHERE lease_until > now()) AS open,
        count(*) FILTER (WHERE lease_until IS NULL OR lease_until <= now()) AS waiting
      FROM ${s}.tick WHERE finished_at IS NULL AND ${name === undefined ? all : sql`schedule = ${name}`}
      GROUP BY schedule
    ) t ON t.schedule = s.name
    WHERE ${name === undefined ? all : sql`s.name = ${name}`} ORDER BY s.name COLLATE "C"`
}

/** The time by the server's clock. */
export const now = (sql: Sql) =>
  Effect.map(
    sql<{ now: Date }>`SELECT now() AS now`,
    ([row]) => row === undefined ? DateTime.makeUnsafe(0) : DateTime.fromDateUnsafe(row.now)
  )

/**
 * Holds the row of a schedule and its unfinished ticks for the rest of the transaction, and gives those. One that was not
 * held, and is renewed between this look and what is decided, would be taken for lost.
 */
export const lock = (sql: Sql, s: Identifier, name: string) =>
  Effect.andThen(
    sql`SELECT 1 FROM ${s}.schedule WHERE name = ${name} FOR UPDATE`,
    sql`
      SELECT tick, asked, coalesce(lease_until <= now(), false) AS "isLost",
        CASE WHEN lease_until IS NULL THEN 'waiting' WHEN begun_at IS NULL THEN 'claimed' ELSE 'running' END AS state,
        (extract(epoch FROM now() - stop_at) * 1000)::float8 AS "stoppingMs"
      FROM ${s}.tick WHERE schedule = ${name} AND finished_at IS NULL ORDER BY tick FOR UPDATE`
  )

/** What a decision sees. Ticks whose process is gone are given up or wait again before that. */
export const situation = Effect.fnUntraced(function*(sql: Sql, s: Identifier, name: string) {
  const unfinished = yield* Effect.flatMap(lock(sql, s, name), tables.decodeUnfinished)
  const [row] = yield* schedules(sql, s, name)
  if (row === undefined) return yield* new ScheduleNotFound({ name })
  const { now, ...schedule } = yield* tables.decodeSchedule(row)
  const lost = unfinished.filter((tick) => tick.isLost)
  if (lost.length > 0) {
    yield* sql`
      UPDATE ${s}.tick SET lease_until = NULL,
        finished_at = CASE WHEN begun_at IS NOT NULL THEN now() END,
        outcome = CASE WHEN begun_at IS NOT NULL THEN 'abandoned' END,
        detail = CASE WHEN begun_at IS NOT NULL THEN 'its lease ran out' END
      WHERE schedule = ${name} AND finished_at IS NULL AND lease_until <= now()`
  }
  return {
    now,
    schedule: new Schedule(schedule),
    unfinished: unfinished.flatMap(({ isLost, ...tick }): ReadonlyArray<Unfinished> =>
      isLost ? (tick.state === "claimed" ? [{ ...tick, state: "waiting" }] : []) : [tick]
    )
  } satisfies Situation
})

/** Writes what was decided. Gives the ticks that are the caller's, oldest first, and how many were skipped. */
export const write = Effect.fnUntraced(
  function*(sql: Sql, s: Identifier, { schedule: { name } }: Situation, advance: Advance, retention: Retention) {
    const { abandon, record, skip, start, stop } = advance
    if (record.length > 0) yield* insert(sql, s, name, record)
    const skipped = skip.length === 0 ? [] : yield* sql`
    INSERT INTO ${s}.tick AS t (schedule, tick, finished_at, outcome, detail)
    SELECT ${name}, x, now(), 'skipped', reason
    FROM unnest(${dates(skip.map(({ tick }) => tick))}::timestamptz[],
      ${skip.map(({ reason }) => reason)}::text[]) AS k(x, reason)
    ON CONFLICT (schedule, tick) DO UPDATE SET finished_at = now(), outcome = 'skipped', detail = EXCLUDED.detail
      WHERE t.finished_at IS NULL AND t.lease_until IS NULL
    RETURNING 1`
    if (stop.length > 0) {
      yield* sql`
      UPDATE ${s}.tick SET stop_at = coalesce(stop_at, now())
      WHERE schedule = ${name} AND tick = ANY(${dates(stop)}::timestamptz[]) AND finished_at IS NULL`
    }
    if (abandon.length > 0) {
      yield* sql`
      UPDATE ${s}.tick SET finished_at = now(), outcome = 'abandoned', detail = 'it did not stop in time'
      WHERE schedule = ${name} AND tick = ANY(${dates(abandon)}::timestamptz[]) AND finished_at IS NULL`
    }
    const started = start.length === 0 ? [] : yield* Effect.flatMap(
      sql`
      UPDATE ${s}.tick SET lease_until = ${until(sql)}, epoch = epoch + 1
      WHERE schedule = ${name} AND tick = ANY(${dates(start)}::timestamptz[]) AND finished_at IS NULL
        AND lease_until IS NULL
      RETURNING schedule, tick, epoch, asked`,
      tables.decodeClaims
    )
    if (record.length + skip.length > 0) yield* prune(sql, s, name, retention)
    return { started: [...started].sort(oldestFirst), skipped: skipped.length }
  }
)

/** Removes ended ticks beyond their bounds. Their place has moved on, so older instants never come again. */
const prune = (sql: Sql, s: Identifier, name: string, { age, ticks }: Retention) =>
  sql`
    DELETE FROM ${s}.tick WHERE schedule = ${name} AND finished_at IS NOT NULL AND (
      finished_at < now() - ${Duration.toSeconds(age ?? "90 days")} * interval '1 second' OR tick <= (
        SELECT tick FROM ${s}.tick WHERE schedule = ${name} AND finished_at IS NOT NULL
        ORDER BY tick DESC OFFSET ${ticks ?? 1000} LIMIT 1
      ))`

/** Moves the schedule on, unless it stays as it is. */
export const place = Effect.fnUntraced(
  function*(sql: Sql, s: Identifier, { schedule }: Situation, advance: Advance) {
    const newest = [
      schedule.lastTick,
      ...advance.record.map(({ tick }) => tick),
      ...advance.skip.map(({ tick }) => tick)
    ]
      .reduce((a, b) => a === null || (b !== null && oldestFirst({ tick: a }, { tick: b }) < 0) ? b : a)
    const isSame = advance.record.length + advance.skip.length === 0 && advance.place.nextTick === schedule.nextTick &&
      advance.place.progress === schedule.progress && advance.delayMs === schedule.delayMs &&
      advance.paused === schedule.paused
    if (isSame) return
    const progress = yield* tables.encodeProgress(advance.place.progress)
    yield* sql`
      UPDATE ${s}.schedule SET next_tick = ${date(advance.place.nextTick)}, progress = ${sql.json(progress)},
        last_tick = ${date(newest)}, delay_ms = ${advance.delayMs}, paused = ${advance.paused},
        revision = revision + CASE WHEN paused = ${advance.paused} THEN 0 ELSE 1 END
      WHERE name = ${schedule.name}`
  }
)

const insert = Effect.fnUntraced(function*(sql: Sql, s: Identifier, name: string, record: Advance["record"]) {
  const asked = yield* Effect.forEach(record, ({ asked }) => stored(asked))
  yield* sql`
    INSERT INTO ${s}.tick (schedule, tick, asked)
    SELECT ${name}, x, nullif(asked, '')::jsonb
    FROM unnest(${dates(record.map(({ tick }) => tick))}::timestamptz[], ${asked}::text[]) AS k(x, asked)
    ON CONFLICT DO NOTHING`
})

const stored = (asked: Asked | null) =>
  // an array of nothing but nulls has no type
  Effect.map(tables.encodeAsked(asked), (json) => json === null ? "" : JSON.stringify(StoredText.json(json)))

const date = (tick: DateTime.Utc | null) => tick === null ? null : DateTime.toDateUtc(tick)

const dates = (ticks: ReadonlyArray<DateTime.Utc>) => ticks.map(DateTime.toDateUtc)

const oldestFirst = (a: { readonly tick: DateTime.Utc }, b: { readonly tick: DateTime.Utc }) =>
  DateTime.toEpochMillis(a.tick) - DateTime.toEpochMillis(b.tick)

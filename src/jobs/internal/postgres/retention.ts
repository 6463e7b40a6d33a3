/**
 * Keeps the tables of ended jobs within their bounds: by age and outcome, and by number.
 *
 * Whole days are dropped. What of a day is kept longer (discarded jobs, jobs that have not ended) moves to the default
 * tables where it is little; otherwise the day stays, and what may go is deleted row by row, as it is from the default
 * tables. Jobs that have not ended are never touched: a row is deleted because its outcome is old, and whoever makes the
 * job run again takes that outcome away first.
 */
import type * as PgClient from "@effect/sql-pg/PgClient"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"
import type { JobRetention } from "../../JobStore.ts"
import * as partitions from "./partitions.ts"

interface Place {
  readonly last_limit: number | null
  readonly last_key: string | null
}

/** Rows removed by one statement. */
const batch = 1000

const seconds = (input: Duration.Input) => Duration.toSeconds(Duration.fromInputUnsafe(input))

export const make = (house: PgClient.PgClient, schema: string) => {
  const s = house(schema)
  const days = partitions.make(house, schema)

  const toTheEnd = (remove: Effect.Effect<number, SqlError>) =>
    Effect.gen(function*() {
      let all = 0
      while (true) {
        const removed = yield* remove
        all += removed
        if (removed < batch) return all
      }
    })
  const countOf = (statement: Effect.Effect<ReadonlyArray<{ readonly n: number }>, SqlError>) =>
    Effect.map(statement, ([row]) => row?.n ?? 0)

  const past = (keep: partitions.Keep) =>
    house`d.finished_at <= now() - CASE d.outcome WHEN 'c' THEN ${keep.completed}::float8
      WHEN 'x' THEN ${keep.cancelled}::float8 ELSE ${keep.discarded}::float8 END * interval '1 second'`

  /** Ended jobs of a range of ids, `high` not included, that are past their keep. */
  const rows = (low: string, high: string, keep: partitions.Keep) =>
    toTheEnd(countOf(
      house<{ n: number }>`
        WITH v AS MATERIALIZED (
          SELECT d.job_id FROM ${s}.done d WHERE d.job_id >= ${low}::bigint AND d.job_id < ${high}::bigint AND ${
        past(keep)
      }
          ORDER BY d.job_id LIMIT ${batch} FOR UPDATE SKIP LOCKED
        ), ids AS MATERIALIZED (SELECT coalesce(array_agg(job_id), '{}') AS all FROM v),
        b AS (DELETE FROM ${s}.job WHERE id = ANY((SELECT i.all FROM ids i)::bigint[])
          AND id >= ${low}::bigint AND id < ${high}::bigint),
        f AS (DELETE FROM ${s}.failure WHERE job_id = ANY((SELECT i.all FROM ids i)::bigint[])
          AND job_id >= ${low}::bigint AND job_id < ${high}::bigint),
        g AS (DELETE FROM ${s}.job_log WHERE job_id = ANY((SELECT i.all FROM ids i)::bigint[])
          AND job_id >= ${low}::bigint AND job_id < ${high}::bigint),
        p AS (DELETE FROM ${s}.progress WHERE job_id = ANY((SELECT i.all FROM ids i)::bigint[])
          AND job_id >= ${low}::bigint AND job_id < ${high}::bigint),
        d AS (DELETE FROM ${s}.done WHERE job_id = ANY((SELECT i.all FROM ids i)::bigint[])
          AND job_id >= ${low}::bigint AND job_id < ${high}::bigint RETURNING 1)
        SELECT count(*)::int AS n FROM d`.unprepared
    ))

  /** The default tables have no day that could be dropped. */
  const strays = (keep: partitions.Keep) =>
    Effect.all([
      toTheEnd(countOf(
        house<{ n: number }>`
          WITH v AS MATERIALIZED (
            SELECT d.job_id FROM ${s}.done_default d WHERE ${past(keep)}
            ORDER BY d.job_id LIMIT ${batch} FOR UPDATE SKIP LOCKED
          ), b AS (DELETE FROM ${s}.job_default WHERE id IN (SELECT job_id FROM v)
          ), f AS (DELETE FROM ${s}.failure_default WHERE job_id IN (SELECT job_id FROM v)
          ), g AS (DELETE FROM ${s}.job_log_default WHERE job_id IN (SELECT job_id FROM v)
          ), p AS (DELETE FROM ${s}.progress_default WHERE job_id IN (SELECT job_id FROM v)
          ), d AS (DELETE FROM ${s}.done_default WHERE job_id IN (SELECT job_id FROM v) RETURNING 1)
          SELECT count(*)::int AS n FROM d`.unprepared
      )),
      // bodies of jobs that left no history
      toTheEnd(countOf(
        house<{ n: number }>`
          WITH b AS (DELETE FROM ${s}.job_default WHERE id IN (
            SELECT j.id FROM ${s}.job_default j
            WHERE j.id < ${s}.id_floor(now() - ${keep.completed}::float8 * interval '1 second')
              AND NOT EXISTS (SELECT FROM ${s}.done d WHERE d.job_id = j.id)
              AND NOT EXISTS (SELECT FROM ${s}.later l WHERE l.job_id = j.id)
              AND NOT EXISTS (SELECT FROM ${s}.ready r WHERE r.queue_id = j.queue_id AND r.priority = j.priority
                AND r.ord = j.ord AND r.job_id = j.id)
            ORDER BY j.id LIMIT ${batch} FOR UPDATE SKIP LOCKED) RETURNING 1)
          SELECT count(*)::int AS n FROM b`.unprepared
      ))
    ]).pipe(Effect.map(([ended, forgotten]) => ended + forgotten))

  const bodies = (day: partitions.Day) =>
    countOf(days.patiently(house`
      SELECT count(*)::int AS n FROM ${s}.job WHERE id >= ${day.low}::bigint AND id < ${day.high}::bigint`))

  const dropped = Effect.fnUntraced(function*(day: partitions.Day, keep: partitions.Keep) {
    const before = yield* bodies(day)
    const fate = yield* days.drop(day, keep)
    return fate === "kept" ? yield* rows(day.low, day.high, keep) : before - (yield* bodies(day))
  })

  const byAge = Effect.fnUntraced(function*(keep: partitions.Keep) {
    let gone = 0
    for (const day of yield* days.over(Math.min(keep.completed, keep.cancelled, keep.discarded))) {
      gone += yield* dropped(day, keep)
    }
    return gone + (yield* strays(keep))
  })

  const nothing: partitions.Keep = { completed: 0, cancelled: 0, discarded: 0 }
  const byNumber = Effect.fnUntraced(function*(most: number) {
    // one row above the bound and all before it go
    const [newest] = yield* days.patiently(house<{ next: string }>`
      SELECT (job_id + 1)::text AS next FROM ${s}.done ORDER BY job_id DESC OFFSET ${
      Math.max(0, Math.floor(most))
    } LIMIT 1`)
    if (newest === undefined) return 0
    let gone = 0
    for (const day of yield* days.over(0)) {
      if (BigInt(day.high) <= BigInt(newest.next)) gone += yield* dropped(day, nothing)
    }
    return gone + (yield* rows("0", newest.next, nothing))
  })

  /** What jobs left elsewhere, and names that nothing refers to any more. */
  const leftovers = Effect.fnUntraced(function*(longest: number) {
    const old = house`now() - ${longest}::float8 * interval '1 second'`
    const each = (statement: Effect.Effect<ReadonlyArray<unknown>, SqlError>) =>
      toTheEnd(Effect.map(statement, (removed) => removed.length))
    yield* each(house`DELETE FROM ${s}.uniq WHERE key IN (
      SELECT key FROM ${s}.uniq WHERE until <= now() ORDER BY key LIMIT ${batch} FOR UPDATE SKIP LOCKED) RETURNING 1`)
    yield* each(house`DELETE FROM ${s}.edge WHERE (parent_id, child_id) IN (
      SELECT e.parent_id, e.child_id FROM ${s}.edge e
      WHERE e.settled AND NOT EXISTS (SELECT FROM ${s}.job j WHERE j.id = e.child_id)
      ORDER BY 1, 2 LIMIT ${batch} FOR UPDATE SKIP LOCKED) RETURNING 1`)
    yield* each(house`DELETE FROM ${s}.control WHERE (worker_id, job_id) IN (
      SELECT c.worker_id, c.job_id FROM ${s}.control c
      WHERE NOT EXISTS (SELECT FROM ${s}.worker w WHERE w.id = c.worker_id)
      ORDER BY 1, 2 LIMIT ${batch} FOR UPDATE SKIP LOCKED) RETURNING 1`)
    yield* each(house`DELETE FROM ${s}.node WHERE worker_id IN (
      SELECT n.worker_id FROM ${s}.node n
      WHERE n.since < ${old} AND NOT EXISTS (SELECT FROM ${s}.worker w WHERE w.id = n.worker_id)
      ORDER BY 1 LIMIT ${batch} FOR UPDATE SKIP LOCKED) RETURNING 1`)
  })

  /** Keys and tenants that are not used any more, and what was left waiting for nothing. */
  const idle = Effect.gen(function*() {
    let at: Place | undefined = { last_limit: 0, last_key: "" }
    while (at !== undefined) {
      const [next]: ReadonlyArray<Place> = yield* house<Place>`
        SELECT * FROM ${s}.forget_keys(${at.last_limit}::int, ${at.last_key}::text, ${batch}::int)`
      at = next?.last_limit == null ? undefined : next
    }
    yield* toTheEnd(countOf(house<{ n: number }>`SELECT ${s}.forget_tenants(${batch}::int) AS n`))
    yield* toTheEnd(countOf(house<{ n: number }>`SELECT ${s}.free_strays(${batch}::int) AS n`))
  })

  /** Answers how many jobs went. */
  const prune = Effect.fnUntraced(function*(retention: JobRetention) {
    const keep: partitions.Keep = {
      completed: seconds(retention.completed ?? "7 days"),
      cancelled: seconds(retention.cancelled ?? "7 days"),
      discarded: seconds(retention.discarded ?? "90 days")
    }
    yield* days.ensure
    const old = yield* byAge(keep)
    const many = retention.jobs === undefined ? 0 : yield* byNumber(retention.jobs)
    yield* leftovers(Math.max(keep.completed, keep.cancelled, keep.discarded))
    yield* idle
    return old + many
  })

  return { prune }
}

/**
 * Queues: what is in them, and how they behave.
 */
import type * as PgClient from "@effect/sql-pg/PgClient"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"
import * as StoredText from "../../../store/StoredText.ts"
import type { QueueEnds, QueueSettings, QueueState, Removal } from "../../JobStore.ts"
import * as obstacle from "../obstacle.ts"

export const make = (options: {
  readonly sql: PgClient.PgClient
  readonly schema: string
  /** Wakes whoever waits for these queues, 0 among them for what is due. */
  readonly wake: (queues: ReadonlyArray<number>) => Effect.Effect<void>
}) => {
  const { schema, sql, wake } = options
  const s = sql(schema)

  const isKnown = sql`(NOT q.removed OR EXISTS (SELECT FROM ${s}.ready WHERE queue_id = q.id)
    OR EXISTS (SELECT FROM ${s}.later WHERE queue_id = q.id)
    OR EXISTS (SELECT FROM ${s}.worker WHERE expires_at > now() AND jsonb_exists(serves, q.name)))`

  const list = Effect.map(
    sql<{
      name: string
      pausedAt: Date | null
      limit: string | null
      fair: boolean
      ageingMs: number | null
      available: number
      running: number
      scheduled: number
      retryable: number
      pending: number
      parked: number
      oldestMs: number
    }>`
      SELECT q.name, q.paused_at AS "pausedAt", x.name AS limit, q.fair, q.ageing_ms::float8 AS "ageingMs",
        (coalesce(r.available, 0) + coalesce(l.open, 0))::int AS available, coalesce(r.running, 0)::int AS running,
        coalesce(l.scheduled, 0)::int AS scheduled, coalesce(l.retryable, 0)::int AS retryable,
        coalesce(l.pending, 0)::int AS pending, coalesce(l.parked, 0)::int AS parked,
        coalesce(greatest(0, extract(epoch FROM now() - least(r.oldest, l.oldest)) * 1000), 0)::float8 AS "oldestMs"
      FROM ${s}.queue q
      LEFT JOIN ${s}.limits x ON x.id = q.limit_id
      LEFT JOIN (
        SELECT queue_id, count(*) FILTER (WHERE worker_id IS NULL) AS available, count(worker_id) AS running,
          min(available_at) FILTER (WHERE worker_id IS NULL) AS oldest
        FROM ${s}.ready GROUP BY queue_id
      ) r ON r.queue_id = q.id
      LEFT JOIN (
        SELECT queue_id, count(*) FILTER (WHERE state = 's') AS scheduled,
          count(*) FILTER (WHERE state = 'r') AS retryable, count(*) FILTER (WHERE state = 'w') AS pending,
          count(*) FILTER (WHERE state IN ('p', 'h', 'a')) AS open,
          count(*) FILTER (WHERE state IN ('p', 'a')) AS parked,
          min(run_at) FILTER (WHERE state IN ('p', 'h')) AS oldest
        FROM ${s}.later GROUP BY queue_id
      ) l ON l.queue_id = q.id
      WHERE ${isKnown} ORDER BY q.name`.unprepared,
    (rows) =>
      rows.map((row): QueueState => ({
        name: row.name,
        limit: row.limit,
        fair: row.fair,
        ageingMs: row.ageingMs,
        pausedAt: row.pausedAt === null ? null : DateTime.fromDateUnsafe(row.pausedAt),
        counts: {
          available: row.available,
          running: row.running,
          scheduled: row.scheduled,
          retryable: row.retryable,
          pending: row.pending
        },
        parked: row.parked,
        oldestMs: Math.round(row.oldestMs)
      }))
  )

  const ends = (withinMs: number) =>
    sql<QueueEnds>`
      SELECT q.name AS queue, count(*) FILTER (WHERE d.outcome = 'c')::int AS completed,
        count(*) FILTER (WHERE d.outcome = 'f')::int AS discarded,
        count(*) FILTER (WHERE d.outcome = 'x')::int AS cancelled,
        (avg(extract(epoch FROM d.finished_at - d.claimed_at)) * 1000)::float8 AS "runMs"
      FROM ${s}.done d JOIN ${s}.job j ON j.id = d.job_id JOIN ${s}.queue q ON q.id = j.queue_id
      WHERE d.finished_at > now() - ${withinMs}::float8 * interval '1 millisecond'
      GROUP BY q.name`.unprepared

  const runnable = (queue: string) =>
    Effect.map(
      sql<{ jobs: number; oldestMs: number }>`
        SELECT jobs::int AS jobs, coalesce(greatest(0, extract(epoch FROM now() - oldest) * 1000), 0)::float8 AS "oldestMs"
        FROM ${s}.runnable(${StoredText.text(queue)})`.unprepared,
      ([row]) => ({ jobs: row?.jobs ?? 0, oldestMs: Math.round(row?.oldestMs ?? 0) })
    )

  /** Whether there is such a queue. */
  const pause = Effect.fnUntraced(function*(queue: string, paused: boolean) {
    const [row] = yield* sql<{ id: number }>`
      UPDATE ${s}.queue q SET paused_at = CASE WHEN ${paused}::boolean THEN coalesce(paused_at, now()) END, updated_at = now(),
        removed = false
      WHERE name = ${StoredText.text(queue)} AND ${isKnown} RETURNING id`
    if (row !== undefined) yield* wake([row.id])
    return row !== undefined
  })

  const isEmpty = (id: number) =>
    Effect.map(
      sql<{ empty: boolean }>`
        SELECT NOT EXISTS (SELECT FROM ${s}.ready WHERE queue_id = ${id}) AND
          NOT EXISTS (SELECT FROM ${s}.later WHERE queue_id = ${id}) AS empty`,
      ([row]) => row?.empty === true
    )

  /** Only in a queue without jobs do the orders of before and after not meet. */
  const configure = (queue: string, settings: Partial<QueueSettings>) =>
    sql.withTransaction(Effect.gen(function*() {
      const name = StoredText.text(queue)
      yield* sql`INSERT INTO ${s}.queue (name) VALUES (${name}) ON CONFLICT DO NOTHING`
      const [row] = yield* sql<{ id: number; fair: boolean; ageingMs: number | null }>`
        SELECT id, fair, ageing_ms::float8 AS "ageingMs" FROM ${s}.queue WHERE name = ${name} FOR UPDATE`
      if (row === undefined) return `it was removed at this moment: try again`
      const { id } = row
      const { ageingMs: given, fair, limit } = { ...row, ...settings }
      if (given !== null && !(given >= 1)) return obstacle.noAge(given)
      const ageingMs = given === null ? null : Math.round(given)
      if (fair && ageingMs !== null) return obstacle.ordersTwice
      const changesOrder = fair !== row.fair || ageingMs !== row.ageingMs
      if (changesOrder && !(yield* isEmpty(id))) return obstacle.orderStands
      const limitedBy = limit === undefined ? undefined : yield* limitId(limit)
      if (limit !== undefined && limit !== null && limitedBy === undefined) return obstacle.noLimit(limit)
      yield* sql`UPDATE ${s}.queue SET removed = false WHERE id = ${id} AND removed`
      if (changesOrder) {
        yield* sql`
          UPDATE ${s}.queue SET fair = ${fair}::boolean, ageing_ms = ${ageingMs}::float8::bigint, updated_at = now()
          WHERE id = ${id}`
      }
      if (limitedBy !== undefined) yield* sql`SELECT ${s}.limit_queue(${id}, ${limitedBy}::int)`
      yield* wake([id, 0])
      return null
    }))

  const remove = (queue: string) =>
    sql.withTransaction(Effect.gen(function*(): Effect.fn.Return<Removal, SqlError> {
      const name = StoredText.text(queue)
      const [row] = yield* sql<{ id: number }>`
        SELECT id FROM ${s}.queue q WHERE name = ${name} AND ${isKnown} FOR UPDATE`
      if (row === undefined) return "unknown"
      if (!(yield* isEmpty(row.id))) return { usedBy: obstacle.holdsJobs }
      const workers = yield* sql<{ node: string }>`
        SELECT DISTINCT node FROM ${s}.worker WHERE expires_at > now() AND jsonb_exists(serves, ${name}) ORDER BY node`
      if (workers.length > 0) return { usedBy: obstacle.served(workers.map(({ node }) => node)) }
      yield* sql`
        UPDATE ${s}.queue SET removed = true, paused_at = NULL, fair = false, ageing_ms = NULL, limit_id = NULL,
          limited_by = NULL, updated_at = now()
        WHERE id = ${row.id}`
      yield* wake([row.id])
      return "removed"
    }))

  const limitId = (limit: string | null) =>
    limit === null ? Effect.succeed(null) : Effect.map(
      sql<{ id: number }>`SELECT id FROM ${s}.limits
        WHERE name = ${StoredText.text(limit)} AND NOT removed FOR KEY SHARE`,
      ([row]) => row?.id
    )

  return { list, ends, runnable, pause, configure, remove }
}

/**
 * Limits by name: how many jobs of a key run at once, how many may start in a time. What a limit lets in is decided by the
 * functions `admit` and `release`, and for one call by `take`.
 *
 * A rate is kept as the instant at which the key would have used up nothing (GCRA): one number that never has to be
 * refilled, and that lets `burst` units through at once and then one each `per / units`.
 */
import type * as PgClient from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"
import * as StoredText from "../../../store/StoredText.ts"
import type { Limit, Removal } from "../../JobStore.ts"
import * as obstacle from "../obstacle.ts"

/** The house's own: order by key is a limit of one. */
const own = "order"

/** Why something was not done. */
export class Refused {
  readonly detail: string
  constructor(detail: string) {
    this.detail = detail
  }
}

export const make = (sql: PgClient.PgClient, schema: string) => {
  const s = sql(schema)
  const refuse = (detail: string) => Effect.succeed(new Refused(detail))

  const list = Effect.map(
    sql<{ name: string; permits: number | null; units: number | null; perMs: number; burst: number }>`
      SELECT name, permits, units, per_ms::float8 AS "perMs", burst FROM ${s}.limits
      WHERE NOT removed ORDER BY name`,
    (rows) =>
      rows.map(({ burst, name, perMs, permits, units }): Limit => ({
        name,
        permits,
        rate: units === null ? null : { units, perMs, burst }
      }))
  )

  const set = ({ name, permits, rate }: Limit) => {
    if (name === own) return refuse(`the name ${own} is taken by the order of keys: choose another`)
    if (permits !== null && !isCount(permits)) {
      return refuse(`limit ${name}: ${permits} jobs at once: give a whole number from 1 to 2147483647`)
    }
    if (
      rate !== null && !(isCount(rate.units) && isCount(rate.burst) && rate.perMs > 0 && Number.isFinite(rate.perMs))
    ) {
      return refuse(
        `limit ${name}: ${rate.units} units each ${rate.perMs} ms, ${rate.burst} at once: give whole numbers from 1, and a time`
      )
    }
    return Effect.asVoid(sql`
      INSERT INTO ${s}.limits (name, permits, every, burst, units, per_ms)
      VALUES (${StoredText.text(name)}, ${permits}::int,
        ${rate === null ? null : rate.perMs / rate.units}::float8 * interval '1 millisecond', ${rate?.burst ?? 1},
        ${rate?.units ?? null}::int, ${rate?.perMs ?? null}::float8)
      ON CONFLICT (name) DO UPDATE SET permits = excluded.permits, every = excluded.every, burst = excluded.burst,
        units = excluded.units, per_ms = excluded.per_ms, removed = false`)
  }

  const remove = (name: string) =>
    sql.withTransaction(Effect.gen(function*(): Effect.fn.Return<Removal, SqlError> {
      if (name === own) return { usedBy: obstacle.ordersByKey }
      const [row] = yield* sql<{ id: number }>`
        SELECT id FROM ${s}.limits WHERE name = ${StoredText.text(name)} AND NOT removed FOR UPDATE`
      if (row === undefined) return "unknown"
      const queues = yield* sql<{ name: string }>`SELECT name FROM ${s}.queue WHERE limit_id = ${row.id} ORDER BY name`
      if (queues.length > 0) return { usedBy: obstacle.limitsQueues(queues.map(({ name }) => name)) }
      const [jobs] = yield* sql<{ some: boolean }>`
        SELECT EXISTS (SELECT FROM ${s}.later l JOIN ${s}.job j ON j.id = l.job_id WHERE j.limit_id = ${row.id})
          OR EXISTS (SELECT FROM ${s}.ready r JOIN ${s}.job j ON j.id = r.job_id WHERE j.limit_id = ${row.id}) AS some`
      if (jobs?.some === true) return { usedBy: obstacle.limitsJobs }
      yield* sql`DELETE FROM ${s}.limit_key WHERE limit_id = ${row.id}`
      yield* sql`UPDATE ${s}.limits SET removed = true WHERE id = ${row.id}`
      return "removed"
    }))

  const take = Effect.fnUntraced(function*(name: string, key: string, units: number) {
    const [row] = yield* sql<{ known: boolean; rated: boolean; burst: number; allowed: boolean; retryMs: number }>`
      WITH l AS MATERIALIZED (
        SELECT id, every, burst FROM ${s}.limits WHERE name = ${StoredText.text(name)}
      ), t AS (
        INSERT INTO ${s}.limit_key AS k (limit_id, key, tat)
        SELECT l.id, ${StoredText.text(key)}, clock_timestamp() + ${units}::int * l.every FROM l
        WHERE l.every IS NOT NULL AND ${units}::int <= l.burst
        ON CONFLICT (limit_id, key) DO UPDATE
        SET tat = greatest(k.tat, clock_timestamp()) + ${units}::int * (SELECT every FROM l)
        WHERE greatest(k.tat, clock_timestamp()) + (${units}::int - (SELECT burst FROM l)) * (SELECT every FROM l)
          <= clock_timestamp()
        RETURNING tat
      )
      SELECT l.id IS NOT NULL AS known, l.every IS NOT NULL AS rated, coalesce(l.burst, 0) AS burst,
        EXISTS (SELECT FROM t) AS allowed,
        coalesce((SELECT greatest(1, ceil(extract(epoch FROM
            greatest(k.tat, clock_timestamp()) + (${units}::int - l.burst) * l.every - clock_timestamp()) * 1000))
          FROM ${s}.limit_key k WHERE k.limit_id = l.id AND k.key = ${StoredText.text(key)}), 1)::float8 AS "retryMs"
      FROM (SELECT 1) one LEFT JOIN l ON true`
    if (row === undefined || !row.known) return new Refused(`there is no limit ${name}: set it first`)
    if (!row.rated || row.allowed) return { retryMs: 0 }
    if (units > row.burst) {
      return new Refused(
        `limit ${name} lets ${row.burst} units through at once, so never ${units}: raise its burst`
      )
    }
    return { retryMs: row.retryMs }
  })

  const hold = (name: string, key: string, ms: number) =>
    Effect.flatMap(
      sql`
        INSERT INTO ${s}.limit_key AS k (limit_id, key, tat)
        SELECT l.id, ${StoredText.text(key)}, clock_timestamp() + ${
        Math.min(ms, longestMs)
      }::float8 * interval '1 millisecond'
          + (l.burst - 1) * coalesce(l.every, interval '0')
        FROM ${s}.limits l WHERE l.name = ${StoredText.text(name)}
        ON CONFLICT (limit_id, key) DO UPDATE SET tat = greatest(k.tat, excluded.tat) RETURNING 1`,
      (rows) => rows.length > 0 ? Effect.void : refuse(`there is no limit ${name}: set it first`)
    )

  return { list, set, remove, take, hold }
}

/** A year: longer waits are taken for a mistake of the far side. */
const longestMs = 366 * 86_400_000

const isCount = (value: number) => Number.isInteger(value) && value > 0 && value < 2 ** 31

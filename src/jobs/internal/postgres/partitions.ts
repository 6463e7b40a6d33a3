/**
 * Room for the days to come, and the days that are there. A day is a table of each kind, cut in UTC; it is made a week
 * ahead and dropped whole.
 *
 * Making and dropping a day need a lock that others may be in the way of. It is waited for half a second and asked for
 * again a few times; what did not succeed is left to the next time. Until a day is made its rows go to the default tables,
 * so nothing depends on this but speed.
 */
import type * as PgClient from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { SqlError } from "effect/sql/SqlError"
import * as SqlFault from "../../../store/SqlFault.ts"

/** Days made ahead of today. */
const ahead = 7

/** A day that is there: its date and the ids that belong to it, the second one not included. */
export interface Day {
  readonly date: string
  readonly low: string
  readonly high: string
}

/** What is kept, in seconds, by outcome. */
export interface Keep {
  readonly completed: number
  readonly cancelled: number
  readonly discarded: number
}

export const make = (house: PgClient.PgClient, schema: string) => {
  const s = house(schema)

  /** A day may be large: longer than other statements of the house may take. */
  const patiently = <A>(statement: Effect.Effect<A, SqlError>) =>
    house.withTransaction(Effect.andThen(house`SET LOCAL statement_timeout = '10min'`, statement))

  /** Makes the days to come; where some were missing, the planner is told what the tables look like. */
  const ensure = Effect.gen(function*() {
    const [row] = yield* retried(house<{ made: number }>`SELECT ${s}.ensure_partitions(${ahead}) AS made`)
    const made = row?.made ?? 0
    // nobody else ever looks at the parents
    if (made > 0) {
      for (const table of ["job", "done", "failure"]) {
        yield* Effect.ignore(patiently(house`SELECT ${s}.analyze_days(${table})`))
      }
    }
    return made
  })

  /** Oldest first; those that are over since `keptSeconds` and may be dropped. */
  const over = (keptSeconds: number) =>
    house<Day>`
      SELECT d.date::text AS date, ${s}.id_floor(d.date::timestamp AT TIME ZONE 'UTC')::text AS low,
        ${s}.id_floor((d.date + 1)::timestamp AT TIME ZONE 'UTC')::text AS high
      FROM (
        SELECT to_date(right(c.relname, 8), 'YYYYMMDD') AS date FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = ${`${schema}.job`}::regclass AND c.relname ~ '^job_[0-9]{8}$'
      ) d
      WHERE (d.date + 1)::timestamp AT TIME ZONE 'UTC' <= now() - ${keptSeconds} * interval '1 second'
        AND d.date < (now() AT TIME ZONE 'UTC')::date - 1
      ORDER BY d.date`

  /** `kept` where too much of it is still needed to be moved. */
  const drop = (day: Day, keep: Keep) => {
    const seconds = (value: number) => house`${value} * interval '1 second'`
    return Effect.map(
      retried(patiently(house<{ fate: string }>`
        SELECT ${s}.drop_day(${day.date}::date, ${seconds(keep.completed)}, ${seconds(keep.cancelled)},
          ${seconds(keep.discarded)}) AS fate`)),
      ([row]) => row?.fate ?? "absent"
    )
  }

  return { ensure, over, drop, patiently }
}

const retried = <A>(statement: Effect.Effect<A, SqlError>) =>
  Effect.retry(statement, {
    while: (error) => SqlFault.classify(error) === "transient",
    schedule: Schedule.spaced("300 millis").pipe(Schedule.jittered, Schedule.upTo({ times: 4 }))
  })

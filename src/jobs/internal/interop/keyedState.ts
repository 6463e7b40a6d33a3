/**
 * Small states by key that all processes share: whoever changes one holds its row, decides by what it reads there and by
 * the database's clock, and writes.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { ControlSql } from "../../../store/ControlSql.ts"
import { Database } from "../../../store/Database.ts"
import { DatabaseSchema } from "../../../store/DatabaseSchema.ts"
import * as StoredText from "../../../store/StoredText.ts"
import * as Tx from "../../../store/Tx.ts"

export interface Decision<S, A> {
  readonly answer: A
  /** Undefined: as it was. */
  readonly next: { readonly state: S; readonly expiresAt: number } | undefined
}

interface KeyedState<S> {
  /** The state is undefined where there is none, or it has run out. Instants are milliseconds since 1970. */
  readonly change: <A>(
    key: string,
    decide: (state: S | undefined, now: number) => Decision<S, A>
  ) => Effect.Effect<A, SqlError>
  readonly read: (key: string) => Effect.Effect<{ readonly state: S | undefined; readonly now: number }, SqlError>
}

/** Rows removed in passing, and how often at most. */
const batch = 500
const sweepEvery = Duration.minutes(1)

export const make = Effect.fnUntraced(function*<S extends Schema.Json>(kind: string) {
  const house = (yield* ControlSql).withoutTransforms()
  const s = house(yield* DatabaseSchema)
  let sweptAt = yield* Clock.monotonicTimeNanos

  const millis = house.literal("extract(epoch from clock_timestamp())::float8 * 1000")
  const row = (key: string, lock: "" | "FOR UPDATE") =>
    house<{ state: S; now: number }>`
      SELECT CASE WHEN expires_at > clock_timestamp() THEN state END AS state, ${millis} AS now
      FROM ${s}.keyed_state WHERE kind = ${kind} AND key = ${key} ${house.literal(lock)}`
  const held = (key: string): Effect.Effect<{ readonly state: S | null; readonly now: number }, SqlError> =>
    Effect.flatMap(row(key, "FOR UPDATE"), ([found]) =>
      found === undefined
        ? Effect.andThen(
          house`INSERT INTO ${s}.keyed_state (kind, key, state, expires_at) VALUES (${kind}, ${key}, 'null', '-infinity')
            ON CONFLICT DO NOTHING`,
          Effect.suspend(() => held(key))
        )
        : Effect.succeed(found))

  const sweep = Effect.flatMap(Clock.monotonicTimeNanos, (now) => {
    if (now - sweptAt < Duration.toNanosUnsafe(sweepEvery)) return Effect.void
    sweptAt = now
    return Effect.ignore(house`
      DELETE FROM ${s}.keyed_state WHERE (kind, key) IN (
        SELECT kind, key FROM ${s}.keyed_state WHERE expires_at < now() - interval '1 minute'
        ORDER BY expires_at LIMIT ${batch} FOR UPDATE SKIP LOCKED)`)
  })

  const outside = <A>(work: Effect.Effect<A, SqlError>) => Effect.withTracerEnabled(Tx.outside(work), false)
  const states: KeyedState<S> = {
    change: (name, decide) => {
      const key = StoredText.text(name)
      return outside(
        Database.transaction(Effect.gen(function*() {
          const { now, state } = yield* held(key)
          const { answer, next } = decide(state ?? undefined, now)
          if (next !== undefined) {
            yield* house`
              UPDATE ${s}.keyed_state SET state = ${house.json(next.state)},
                expires_at = to_timestamp(${next.expiresAt / 1000}::float8)
              WHERE kind = ${kind} AND key = ${key}`
          }
          return answer
        })).pipe(Effect.provideService(SqlClient.SqlClient, house), Effect.tap(() => sweep))
      )
    },
    read: (name) =>
      outside(Effect.flatMap(row(StoredText.text(name), ""), ([found]) =>
        found === undefined
          ? Effect.map(
            house<{ now: number }>`SELECT ${millis} AS now`,
            ([clock]) => ({ state: undefined, now: clock?.now ?? 0 })
          )
          : Effect.succeed({ state: found.state ?? undefined, now: found.now })))
  }
  return states
})

/**
 * A pool that ends with its scope in bounded time: a server that hangs would hold up its end, and with it that of the
 * process.
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import * as Drain from "../../core/Drain.ts"

export const make = Effect.fnUntraced(function*(config: PgClient.PgPoolConfig) {
  const pool = yield* Scope.make()
  yield* Effect.addFinalizer((exit) =>
    Effect.flatMap(
      Drain.atMost("2 seconds")(Scope.close(pool, exit)),
      (ended) =>
        ended ? Effect.void : Effect.logWarning("the database did not answer: its connections were left to the system")
    )
  )
  return yield* Scope.provide(PgClient.make(config), pool)
})

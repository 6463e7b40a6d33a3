/**
 * Whoever looks at the database from outside while it is killed and restarted: asks until there is an answer.
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Redacted from "effect/Redacted"
import * as SqlClient from "effect/sql/SqlClient"
import { setTimeout as sleep } from "node:timers/promises"

/** Asks the same again until the database answers, for a minute at most. */
export type Ask = <A extends object>(
  query: (sql: SqlClient.SqlClient) => Effect.Effect<ReadonlyArray<A>, unknown>
) => Promise<ReadonlyArray<A>>

/** A connection of its own. */
export interface Onlooker {
  readonly ask: Ask
  /** Once only: nothing where the database does not answer. */
  readonly tell: Ask
  readonly dispose: () => Promise<void>
}

/** Looks at one database. */
export const onlooker = (url: string): Onlooker => {
  const runtime = ManagedRuntime.make(
    PgClient.layer({ url: Redacted.make(url), maxConnections: 1, applicationName: "prove" }).pipe(Layer.orDie)
  )
  const once: Ask = (query) => runtime.runPromise(Effect.flatMap(SqlClient.SqlClient, query))
  const ask: Ask = async (query) => {
    let last: unknown
    for (let left = 600; left > 0; left--) {
      try {
        return await once(query)
      } catch (error) {
        last = error
        await sleep(100)
      }
    }
    throw new Error("the database did not answer for a minute", { cause: last })
  }
  return {
    ask,
    tell: (query) => once(query).catch(() => []),
    dispose: () => runtime.dispose()
  }
}

/**
 * Says so when a server does not keep what it has committed: then a power cut or a crash of it may lose or damage data,
 * and no promise of the house holds.
 */
import type * as PgClient from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"

/** One warning for each setting that gives up durability; nothing where they cannot be read. */
export const warn = (sql: PgClient.PgClient, target: string) =>
  sql<{ name: string; setting: string }>`
    SELECT name, setting FROM pg_settings
    WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit') AND setting = 'off'`.pipe(
    Effect.timeout("2 seconds"),
    Effect.map((rows) => rows.filter(({ setting }) => setting === "off")),
    Effect.flatMap(Effect.forEach(({ name, setting }) =>
      Effect.logWarning(
        `${target} runs with ${name} = ${setting}: what it has committed may be lost in a crash. Turn it on for data that counts`
      ), { discard: true })),
    Effect.ignore,
    Effect.withTracerEnabled(false)
  )

/**
 * Learns which statements an effect would send, without a server: every statement is written down and answers no rows.
 *
 * Values become literals of the text. One that has no literal fails, so a text is never printed with a gap in it.
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as SqlClient from "effect/sql/SqlClient"
import type { Connection } from "effect/sql/SqlConnection"
import * as SqlErrors from "effect/sql/SqlError"
import * as Stream from "effect/Stream"

/** The statements of the effect, in their order. */
export const statements = Effect.fnUntraced(function*(
  work: Effect.Effect<unknown, unknown, SqlClient.SqlClient>
) {
  const texts: Array<string> = []
  const note = (text: string, values: ReadonlyArray<unknown>) =>
    Effect.map(withLiterals(text, values), (literal) => {
      texts.push(literal)
      return []
    })
  const connection: Connection = {
    execute: note,
    executeRaw: note,
    executeValues: note,
    executeValuesUnprepared: note,
    executeUnprepared: note,
    executeStream: (text, values) => Stream.fromEffectDrain(note(text, values))
  }
  const client = yield* SqlClient.make({
    acquirer: Effect.succeed(connection),
    compiler: PgClient.makeCompiler(),
    driver: "pg",
    spanAttributes: []
  })
  yield* Effect.provideService(work, SqlClient.SqlClient, client)
  return texts.map(tidy)
}, Effect.provideServiceEffect(Reactivity.Reactivity, Reactivity.make))

const withLiterals = (text: string, values: ReadonlyArray<unknown>) =>
  values.length === 0 ? Effect.succeed(text) : Effect.suspend(() => {
    const literals = values.map(literal)
    const strange = literals.indexOf(undefined)
    return strange === -1
      ? Effect.succeed(text.replace(/\$(\d+)/g, (place, index) => literals[Number(index) - 1] ?? place))
      : Effect.fail(
        new SqlErrors.SqlError({
          reason: new SqlErrors.UnknownError({
            cause: new Error(`the value of $${strange + 1} has no literal: write it into the statement`)
          })
        })
      )
  })

const literal = (value: unknown): string | undefined => {
  if (value === null) return "NULL"
  if (typeof value === "number" || typeof value === "bigint" || typeof value === "boolean") return String(value)
  return typeof value === "string" ? `'${value.replaceAll("'", "''")}'` : undefined
}

// the indentation of the source file says nothing in a text of its own
const tidy = (text: string) => {
  const lines = text.replace(/^\s*\n/, "").trimEnd().split("\n")
  const indent = Math.min(
    ...lines.filter((line) => line.trim() !== "").map((line) => line.length - line.trimStart().length)
  )
  return lines.map((line) => line.slice(indent)).join("\n")
}

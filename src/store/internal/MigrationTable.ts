/**
 * The record of applied steps: one table a line, in the schema of that line.
 */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

/** Name of the table. */
export const name = (line: string): string => `migration_${line}`

/** Names of the applied steps by number; none where there is no table yet. */
export const applied = Effect.fnUntraced(function*(schema: string, line: string) {
  // an application's client may give columns other names
  const sql = (yield* SqlClient.SqlClient).withoutTransforms()
  const table = yield* sql`SELECT 1 FROM pg_catalog.pg_tables WHERE schemaname = ${schema} AND tablename = ${
    name(line)
  }`
  const rows = table.length === 0 ? [] : yield* sql<{ migration_id: number; name: string }>`
    SELECT migration_id, name FROM ${sql(`${schema}.${name(line)}`)}`
  return new Map(rows.map((row) => [row.migration_id, row.name]))
})

/** Asks only where it is absent: the right to make schemas is not needed otherwise. */
export const makeSchema = Effect.fnUntraced(function*(schema: string) {
  const sql = yield* SqlClient.SqlClient
  const found = yield* sql`SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = ${schema}`
  if (found.length === 0) yield* sql`CREATE SCHEMA IF NOT EXISTS ${sql(schema)}`
})

/** Text that makes schema and table and takes the lock, as a run does. */
export const make = (schema: string, line: string): ReadonlyArray<string> => [
  `CREATE SCHEMA IF NOT EXISTS ${quoted(schema)};`,
  `CREATE TABLE IF NOT EXISTS ${table(schema, line)} (
  migration_id integer PRIMARY KEY,
  created_at timestamptz NOT NULL DEFAULT now(),
  name text NOT NULL
);`,
  `LOCK TABLE ${table(schema, line)} IN ACCESS EXCLUSIVE MODE;`
]

/** Text that records a step; it fails where the step is recorded already, and with it the transaction. */
export const record = (schema: string, line: string, step: string): string => {
  const [id, ...words] = step.split("_")
  return `INSERT INTO ${table(schema, line)} (migration_id, name) VALUES (${id}, '${
    words.join("_").replaceAll("'", "''")
  }');`
}

/** Text that lets a role use the tables, but change neither them nor the record. */
export const grants = (
  places: ReadonlyArray<{ readonly schema: string; readonly line: string }>,
  role: string
): string => {
  const to = quoted(role)
  const schemas = Array.from(new Set(places.map(({ schema }) => schema)), quoted)
  return [
    ...schemas.flatMap((schema) => [
      `GRANT USAGE ON SCHEMA ${schema} TO ${to};`,
      `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${schema} TO ${to};`,
      `GRANT USAGE ON ALL SEQUENCES IN SCHEMA ${schema} TO ${to};`
    ]),
    ...places.map(({ line, schema }) => `REVOKE INSERT, UPDATE, DELETE ON ${table(schema, line)} FROM ${to};`),
    ""
  ].join("\n")
}

const table = (schema: string, line: string) => `${quoted(schema)}.${quoted(name(line))}`

const quoted = (identifier: string) => `"${identifier.replaceAll("\"", "\"\"")}"`

/**
 * Brings the tables of one room or application to its newest version.
 *
 * Each has a line of its own: numbered steps, recorded in a table of its schema. All steps that are still due run in
 * one transaction under an exclusive lock of that table, so many nodes may start at once and each step is applied once;
 * a step that fails leaves nothing behind. Never add a step below the highest number of a released line: it would not
 * run.
 */
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Migrator from "effect/sql/Migrator"
import * as SqlClient from "effect/sql/SqlClient"
import * as SqlErrors from "effect/sql/SqlError"
import * as SqlFault from "./SqlFault.ts"

/**
 * A step could not be applied. The database is as it was before.
 *
 * @category errors
 */
export class MigrationFailed extends Schema.TaggedError<MigrationFailed>()("MigrationFailed", {
  line: Schema.String,
  detail: Schema.String,
  /** The database was away or busy: the same may succeed later. */
  mayPass: Schema.Boolean
}) {
  override get message() {
    return `the tables of ${this.line} could not be brought up to date: ${this.detail}`
  }
  override get [Runtime.errorExitCode]() {
    return this.mayPass ? 69 : 1
  }
}

/**
 * One line of migrations.
 *
 * @category models
 */
export interface Line {
  /** Name of the room or application, e.g. `schedule`. */
  readonly name: string
  /** The database schema that holds its tables. Made when absent. */
  readonly schema: string
  /** Steps by `<number>_<name>`, e.g. `0001_runs`. */
  readonly steps: Record<string, Effect.Effect<void, unknown, SqlClient.SqlClient>>
}

/**
 * Applies the steps of a line that are still due. Gives their names.
 *
 * @category constructors
 */
export const run = (line: Line): Effect.Effect<ReadonlyArray<string>, MigrationFailed, SqlClient.SqlClient> =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    // two nodes that make the schema at the same instant: one of them is told so, and finds it there on its next try
    yield* Effect.retry(sql`CREATE SCHEMA IF NOT EXISTS ${sql(line.schema)}`, Schedule.recurs(3))
    const applied = yield* migrate({
      table: `${line.schema}.migration_${line.name}`,
      loader: Migrator.fromRecord(line.steps)
    })
    return applied.map(([id, name]) => `${id}_${name}`)
  }).pipe(
    Effect.mapError((error) =>
      new MigrationFailed({
        line: line.name,
        detail: SqlFault.explain(error),
        mayPass: SqlErrors.isSqlError(error) && SqlFault.mayPass(error)
      })
    ),
    Effect.withSpan(`migrate ${line.name}`)
  )

const migrate = Migrator.make({})

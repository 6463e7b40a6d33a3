/**
 * Brings the tables of one room or application to its newest version.
 *
 * Each has a line of its own: numbered steps, recorded in a table of its schema. All steps that are still due run in
 * one transaction under an exclusive lock of that table, so many nodes may start at once and each step is applied once;
 * a step that fails leaves nothing behind. Where nothing is due nothing is written, so a role without the right to
 * change tables may start: `print` gives the text that another role applies, `grants` what the first one needs.
 *
 * **Guarantee.** No step is passed over in silence: one that came after a higher one was applied, or whose name changed,
 * is refused. A database that is ahead of this version is left alone.
 *
 * **Rolling upgrades** have nodes of two versions on one database, so a change that an older node cannot live with takes
 * two releases. *Expand*: add tables, add columns that are NULL or have a default; the old version does not notice.
 * *Contract*: when no node of the old version runs any more, a later release removes what nobody reads.
 */
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Migrator from "effect/sql/Migrator"
import type * as SqlClient from "effect/sql/SqlClient"
import * as SqlErrors from "effect/sql/SqlError"
import { DatabaseSchema } from "./DatabaseSchema.ts"
import * as MigrationTable from "./internal/MigrationTable.ts"
import * as StatementRecorder from "./internal/StatementRecorder.ts"
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
 * The steps of a line contradict what the database has on record. Nothing was changed.
 *
 * @category errors
 */
export class MigrationRefused extends Schema.TaggedError<MigrationRefused>()("MigrationRefused", {
  line: Schema.String,
  /** The step that cannot be, e.g. `2_owners`. */
  step: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `step ${this.step} of the tables of ${this.line} was refused: ${this.detail}`
  }
  override get [Runtime.errorExitCode]() {
    return 78
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
  /** The database schema that holds its tables, made when absent. Defaults to that of the house (`DatabaseSchema`). */
  readonly schema?: string | undefined
  /** Steps by `<number>_<name>`, e.g. `0001_runs`. */
  readonly steps: Record<string, Effect.Effect<void, unknown, SqlClient.SqlClient>>
}

/**
 * Applies the steps of a line that are still due. Gives their names.
 *
 * @category constructors
 */
export const run = (
  line: Line
): Effect.Effect<ReadonlyArray<string>, MigrationFailed | MigrationRefused, SqlClient.SqlClient> =>
  Effect.gen(function*() {
    const due = yield* pending(line)
    if (due.length === 0) return []
    const schema = yield* schemaOf(line)
    // two nodes that make the schema at the same instant: one of them is told so, and finds it there on its next try
    yield* Effect.retry(MigrationTable.makeSchema(schema), Schedule.recurs(3))
    const applied = yield* migrate({ table: `${schema}.${MigrationTable.name(line.name)}`, loader: loader(line) })
    // another node may have gone further in between, past a step that only this one knows
    yield* pending(line)
    return applied.map(([id, name]) => `${id}_${name}`)
  }).pipe(
    Effect.mapError((error) => error instanceof MigrationRefused ? error : failed(line, error)),
    Effect.withSpan(`migrate ${line.name}`)
  )

/**
 * Names of the steps that are still due. Only reads.
 *
 * @category combinators
 */
export const pending = (
  line: Line
): Effect.Effect<ReadonlyArray<string>, MigrationFailed | MigrationRefused, SqlClient.SqlClient> =>
  Effect.gen(function*() {
    const steps = yield* loader(line)
    const applied = yield* MigrationTable.applied(yield* schemaOf(line), line.name)
    const latest = Math.max(0, ...applied.keys())
    for (const [id, name] of steps) {
      const known = applied.get(id)
      const step = `${id}_${name}`
      if (known !== undefined && known !== name) {
        const detail = `it was applied under the name ${id}_${known}. Applied steps never change: add a new one`
        return yield* new MigrationRefused({ line: line.name, step, detail })
      }
      if (known === undefined && id < latest) {
        const detail = `step ${latest} is already applied, so it would never run. Give it a number above ${latest}`
        return yield* new MigrationRefused({ line: line.name, step, detail })
      }
    }
    return steps.flatMap(([id, name]) => id > latest ? [`${id}_${name}`] : [])
  }).pipe(Effect.mapError((error) => error instanceof MigrationRefused ? error : failed(line, error)))

/**
 * The statements of a line by step, as they would be sent. Needs no server: a step that asks the database something gets
 * no rows, and one that uses a client of its own, not that of its context, cannot be seen.
 *
 * @category formatting
 */
export const statements = (
  line: Line
): Effect.Effect<
  ReadonlyArray<{ readonly step: string; readonly statements: ReadonlyArray<string> }>,
  MigrationFailed
> =>
  Effect.gen(function*() {
    const steps = yield* loader(line)
    return yield* Effect.forEach(steps, ([id, name, load]) =>
      Effect.flatMap(StatementRecorder.statements(Effect.flatten(load)), (statements) => {
        const step = `${id}_${name}`
        return statements.length === 0
          ? Effect.fail(
            new MigrationFailed({
              line: line.name,
              detail: `step ${step} sends nothing through the SqlClient of its context`,
              mayPass: false
            })
          )
          : Effect.succeed({ step, statements })
      }))
  }).pipe(Effect.mapError((error) =>
    failed(line, error)
  ))

/**
 * The SQL text that does what `run` does, for a role that may change tables: one transaction. It takes the steps whose
 * names are given, for example those of `pending`; without them all, for an empty database.
 *
 * @category formatting
 * @example
 * ```ts
 * import { Console, Effect } from "effect"
 * import { Migration, PostgresRunLog } from "ostinato/store"
 *
 * const program = Effect.flatMap(Migration.print(PostgresRunLog.migrations), Console.log)
 * ```
 */
export const print = (line: Line, only?: ReadonlyArray<string>): Effect.Effect<string, MigrationFailed> =>
  Effect.gen(function*() {
    const schema = yield* schemaOf(line)
    const chosen = (yield* statements(line)).filter(({ step }) => only === undefined || only.includes(step))
    if (chosen.length === 0) return `-- tables of ${line.name}: nothing to do\n`
    const parts = chosen.flatMap(({ statements, step }) => [
      `\n-- ${step}`,
      ...statements.map(terminated),
      MigrationTable.record(schema, line.name, step)
    ])
    return [
      `-- tables of ${line.name}`,
      "BEGIN;",
      ...MigrationTable.make(schema, line.name),
      ...parts,
      "\nCOMMIT;\n"
    ].join("\n")
  })

/**
 * The SQL text that gives a role what the stores need, and no more: to read and write rows of the tables of these lines,
 * not to change tables, nor what is recorded as applied. Run it as the owner of the tables, again after every `print`
 * that was applied.
 *
 * @category formatting
 */
export const grants = (lines: ReadonlyArray<Line>, role: string): Effect.Effect<string> =>
  Effect.map(
    Effect.forEach(lines, (line) => Effect.map(schemaOf(line), (schema) => ({ schema, line: line.name }))),
    (places) => MigrationTable.grants(places, role)
  )

const schemaOf = (line: Line): Effect.Effect<string> =>
  line.schema === undefined ? DatabaseSchema : Effect.succeed(line.schema)

const loader = (line: Line) => Migrator.fromRecord(line.steps)

const migrate = Migrator.make({})

const terminated = (statement: string) => statement.endsWith(";") ? statement : `${statement};`

const failed = (line: Line, error: unknown) =>
  error instanceof MigrationFailed ? error : new MigrationFailed({
    line: line.name,
    detail: error instanceof Error ? SqlFault.explain(error) : String(error),
    mayPass: SqlErrors.isSqlError(error) && SqlFault.mayPass(error)
  })

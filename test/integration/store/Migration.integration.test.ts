/** How tables come up to date: once, whole, in order, by whoever may. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Runtime from "effect/Runtime"
import * as SqlClient from "effect/sql/SqlClient"
import * as Text from "effect/String"
import * as PostgresScheduleStore from "ostinato/schedule/stores/Postgres"
import { Database } from "ostinato/store/Database"
import { DatabaseSchema } from "ostinato/store/DatabaseSchema"
import * as Lease from "ostinato/store/Lease"
import * as Migration from "ostinato/store/Migration"
import * as PostgresCheckpointStore from "ostinato/store/PostgresCheckpointStore"
import * as PostgresRunLog from "ostinato/store/PostgresRunLog"
import * as SqlFault from "ostinato/store/SqlFault"
import * as TestDatabase from "../../contract/TestDatabase.ts"

const table = (name: string) => Effect.flatMap(SqlClient.SqlClient, (sql) => sql`CREATE TABLE ${sql(name)} (n int)`)

const line = (schema: string, ...steps: ReadonlyArray<string>): Migration.Line => ({
  name: "line",
  schema,
  steps: Object.fromEntries(steps.map((step) => [step, Effect.asVoid(table(`${schema}.${step.slice(5)}`))]))
})

const house = [
  PostgresRunLog.migrations,
  PostgresCheckpointStore.migrations,
  PostgresScheduleStore.migrations,
  Lease.migrations
]

/** Columns, types, defaults, indexes and keys of a schema. */
const shape = Effect.fnUntraced(function*(schema: string) {
  const sql = yield* SqlClient.SqlClient
  const columns = yield* sql<{ told: string }>`
    SELECT concat_ws(' ', table_name, column_name, data_type, is_nullable, column_default) AS told
    FROM information_schema.columns WHERE table_schema = ${schema} ORDER BY 1`
  const indexes = yield* sql<{ told: string }>`
    SELECT replace(indexdef, ${schema}, 'schema') AS told FROM pg_indexes WHERE schemaname = ${schema} ORDER BY 1`
  return [...columns, ...indexes].map(({ told }) => told)
})

layer(TestDatabase.layerAlone(), { excludeTestServices: true, timeout: 60_000 })("Migration", (it) => {
  it.effect("a line is applied once, though six nodes start at the same time", () =>
    Effect.gen(function*() {
      const applied = yield* Effect.forEach(
        Array.from({ length: 6 }),
        () => Migration.run(line("six", "0001_made", "0002_more")),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(applied.flat(), ["1_made", "2_more"])
      assert.deepStrictEqual(yield* Migration.run(line("six", "0001_made", "0002_more")), [])
    }))

  it.effect("D.5 through a client that renames columns, what is due is applied and what is applied is not", () =>
    Effect.gen(function*() {
      const { url } = yield* Database
      const client = yield* Layer.build(PgClient.layer({ url, transformResultNames: Text.snakeToCamel }))
      const run = (...steps: ReadonlyArray<string>) =>
        Effect.provideContext(Migration.run(line("renamed", ...steps)), client)
      assert.deepStrictEqual(yield* run("0001_made"), ["1_made"])
      assert.deepStrictEqual(yield* run("0001_made", "0002_more"), ["2_more"])
    }))

  it.effect("a step that fails leaves nothing behind, and says which line and why", () =>
    Effect.gen(function*() {
      const good = line("broken", "0001_good")
      const bad = Effect.flatMap(SqlClient.SqlClient, (sql) => Effect.asVoid(sql`CREATE TABEL broken.bad (n int)`))
      const error = yield* Effect.flip(Migration.run({ ...good, steps: { ...good.steps, "0002_bad": bad } }))
      assert.strictEqual(error._tag, "MigrationFailed")
      assert.include(error.message, "the tables of line")
      assert.include(error.message, "syntax error")
      assert.deepStrictEqual(yield* Migration.pending(good), ["1_good"])
      assert.deepStrictEqual(yield* Migration.run(good), ["1_good"])
    }))

  it.effect("pending tells what is due and changes nothing", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      assert.deepStrictEqual(yield* Migration.pending(line("due", "0001_a", "0002_b")), ["1_a", "2_b"])
      assert.deepStrictEqual(yield* sql`SELECT 1 FROM pg_namespace WHERE nspname = 'due'`, [])
      yield* Migration.run(line("due", "0001_a"))
      assert.deepStrictEqual(yield* Migration.pending(line("due", "0001_a", "0002_b")), ["2_b"])
    }))

  it.effect("a step below one that is applied is refused loudly, not passed over, and so is one that was renamed", () =>
    Effect.gen(function*() {
      yield* Migration.run(line("late", "0001_a", "0003_c"))
      const late = yield* Effect.flip(Migration.run(line("late", "0001_a", "0002_b", "0003_c", "0004_d")))
      assert.strictEqual(late._tag, "MigrationRefused")
      assert.include(late.message, "step 2_b of the tables of line was refused: step 3 is already applied")
      assert.strictEqual(Runtime.getErrorExitCode(late), 78)
      const renamed = yield* Effect.flip(Migration.run(line("late", "0001_z", "0003_c")))
      assert.strictEqual(renamed._tag, "MigrationRefused")
      assert.include(renamed.message, "applied under the name 1_a")
      assert.deepStrictEqual(yield* Migration.run(line("late", "0001_a", "0003_c", "0004_d")), ["4_d"])
    }))

  it.effect("a database that is ahead of this version is left alone: nodes of two versions run side by side", () =>
    Effect.gen(function*() {
      yield* Migration.run(line("ahead", "0001_a", "0002_b"))
      assert.deepStrictEqual(yield* Migration.run(line("ahead", "0001_a")), [])
    }))

  it.effect("D.13 what is printed makes the same tables as a run, and a run then has nothing to do", () =>
    Effect.gen(function*() {
      const pg = yield* PgClient.PgClient
      const inPrinted = Effect.provideService(DatabaseSchema, "printed")
      for (const each of house) {
        const text = yield* Migration.print(each).pipe(inPrinted)
        yield* Effect.forEach(text.split(/;\n/), (statement) => pg.unsafe(statement), { discard: true })
        assert.deepStrictEqual(yield* Migration.run(each).pipe(inPrinted), [])
        yield* Migration.run(each)
      }
      const [printed, ran] = [yield* shape("printed"), yield* shape("ostinato")]
      assert.isAbove(ran.length, 40)
      assert.deepStrictEqual(printed, ran)
    }))

  it.effect("D.13 only the steps that are due are printed for a database that has the others", () =>
    Effect.gen(function*() {
      const both = line("part", "0001_a", "0002_b")
      yield* Migration.run(line("part", "0001_a"))
      const text = yield* Migration.print(both, yield* Migration.pending(both))
      assert.notInclude(text, "-- 1_a")
      assert.include(text, "-- 2_b\nCREATE TABLE \"part\".\"b\" (n int);")
      assert.strictEqual(yield* Migration.print(both, []), "-- tables of line: nothing to do\n")
    }))

  it.effect("values in a step are printed as literals", () =>
    Effect.gen(function*() {
      const step = Effect.flatMap(
        SqlClient.SqlClient,
        (sql) => Effect.asVoid(sql`INSERT INTO a VALUES (${"it's"}, ${1}, ${null}, ${true})`)
      )
      const [printed] = yield* Migration.statements({ name: "values", steps: { "0001_a": step } })
      assert.deepStrictEqual(printed?.statements, ["INSERT INTO a VALUES ('it''s', 1, NULL, true)"])
      const strange = Effect.flatMap(SqlClient.SqlClient, (sql) => Effect.asVoid(sql`SELECT ${[1]}`))
      const error = yield* Effect.flip(Migration.statements({ name: "values", steps: { "0001_a": strange } }))
      assert.include(error.message, "the value of $1 has no literal")
    }))

  it.effect("D.13 a role that may not change tables starts where nothing is due, and is refused where something is", () =>
    Effect.gen(function*() {
      const pg = yield* PgClient.PgClient
      const { url } = yield* Database
      const migrated = line("strict", "0001_a")
      yield* Migration.run(migrated)
      yield* pg.unsafe("CREATE ROLE clerk LOGIN PASSWORD 'clerk'")
      yield* Effect.forEach((yield* Migration.grants([migrated], "clerk")).split(/;\n/), (text) => pg.unsafe(text))
      const asClerk = new URL(Redacted.value(url))
      asClerk.username = asClerk.password = "clerk"
      yield* Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        assert.deepStrictEqual(yield* Migration.run(migrated), [])
        yield* sql`INSERT INTO strict.a VALUES (1)`
        const forbidden = [
          sql`CREATE TABLE strict.b (n int)`,
          sql`DROP TABLE strict.a`,
          sql`TRUNCATE strict.a`,
          sql`INSERT INTO strict.migration_line (migration_id, name) VALUES (9, 'forged')`,
          Migration.run(line("strict", "0001_a", "0002_b"))
        ]
        for (const each of forbidden) {
          const error = yield* Effect.flip(Effect.asVoid<unknown, unknown, SqlClient.SqlClient>(each))
          assert.match(error instanceof Error ? SqlFault.explain(error) : "", /permission denied|must be owner/)
        }
      }).pipe(Effect.provide(PgClient.layer({ url: Redacted.make(asClerk.href) })))
    }))
})

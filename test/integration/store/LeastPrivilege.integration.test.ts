/**
 * The stores under a role that owns nothing and has only what `Migration.grants` gives; the tables were made by another
 * role from printed text.
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Supervisor from "ostinato/core/Supervisor"
import * as PostgresScheduleStore from "ostinato/schedule/stores/Postgres"
import { Database } from "ostinato/store/Database"
import * as Migration from "ostinato/store/Migration"
import * as PostgresCheckpointStore from "ostinato/store/PostgresCheckpointStore"
import * as PostgresRunLog from "ostinato/store/PostgresRunLog"
import { checkpointStoreSuite } from "ostinato/testing/contract/CheckpointStoreSuite"
import { runLogSuite } from "ostinato/testing/contract/RunLogSuite"
import { scheduleStoreSuite } from "ostinato/testing/contract/ScheduleStoreSuite"
import * as TestDatabase from "../../contract/TestDatabase.ts"

const lines = [PostgresCheckpointStore.migrations, PostgresRunLog.migrations, PostgresScheduleStore.migrations]

const clerk = "CREATE ROLE clerk LOGIN PASSWORD 'clerk' NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT"

/** As an operator would: apply the printed text, then the rights, and give the service the URL of the small role. */
const database = Layer.unwrap(Effect.gen(function*() {
  const owner = yield* PgClient.PgClient
  const { url } = yield* Database
  const texts = [
    ...(yield* Effect.forEach(lines, (line) => Migration.print(line))),
    yield* Migration.grants(lines, "clerk")
  ]
  const statements = [clerk, ...texts].flatMap((text) => text.split(/;\n/))
  yield* Effect.forEach(statements, (statement) => owner.unsafe(statement), { discard: true })
  const asClerk = new URL(Redacted.value(url))
  asClerk.username = asClerk.password = "clerk"
  return Layer.effectDiscard(Effect.forEach(lines, Migration.run)).pipe(
    Layer.provideMerge(Database.layer({ url: Redacted.make(asClerk.href), directory: "/nonexistent" }))
  )
})).pipe(Layer.provideMerge(TestDatabase.layerAlone()))

layer(database, { excludeTestServices: true, timeout: 60_000 })("D.13 the least-privileged role", (it) => {
  it.effect("D.13 owns no table, may make none, and is no superuser", () =>
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      const [row] = yield* sql`
        SELECT current_user AS name, rolsuper AS super, has_schema_privilege('ostinato', 'CREATE') AS creates,
          has_database_privilege(current_database(), 'CREATE') AS schemas,
          (SELECT count(*)::int FROM pg_tables WHERE tableowner = current_user) AS owned
        FROM pg_roles WHERE rolname = current_user`
      assert.deepStrictEqual({ ...row }, { name: "clerk", super: false, creates: false, schemas: false, owned: 0 })
    }))
})

checkpointStoreSuite(
  "D.13 least-privileged Postgres",
  Layer.provide(PostgresCheckpointStore.layer(), [database, Supervisor.layer])
)
runLogSuite("D.13 least-privileged Postgres", Layer.provide(PostgresRunLog.layer(), [database, Supervisor.layer]))
scheduleStoreSuite("D.13 least-privileged Postgres", Layer.provide(PostgresScheduleStore.layer(), database))

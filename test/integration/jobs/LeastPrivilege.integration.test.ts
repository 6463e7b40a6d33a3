/**
 * The job store under a role that owns nothing and has only what `Migration.grants` gives; the tables were made by another
 * role from printed text.
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Supervisor from "ostinato/core/Supervisor"
import * as JobFilter from "ostinato/jobs/JobFilter"
import * as PostgresJobStore from "ostinato/jobs/stores/Postgres"
import { Database } from "ostinato/store/Database"
import * as Lease from "ostinato/store/Lease"
import * as Migration from "ostinato/store/Migration"
import { Notifier } from "ostinato/store/Notifier"
import { jobStoreSuite } from "ostinato/testing/contract/JobStoreSuite"
import * as TestDatabase from "../../contract/TestDatabase.ts"
import * as jobs from "./jobs.ts"

const lines = [PostgresJobStore.migrations, Lease.migrations]
const clerk = "CREATE ROLE clerk LOGIN PASSWORD 'clerk' NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT"

/** What psql would send: a body between dollars is one piece. */
const statements = (text: string) =>
  text.split(/(\$\$[^]*?\$\$)/).reduce<Array<string>>((all, part, n) => {
    const [first = "", ...more] = n % 2 === 1 ? [part] : part.split(/;\n/)
    return [...all.slice(0, -1), (all.at(-1) ?? "") + first, ...more]
  }, []).filter((statement) => statement.trim() !== "")

/** As an operator would: apply the printed text, then the rights, and give the service the URL of the small role. */
const database = Layer.unwrap(Effect.gen(function*() {
  const owner = yield* PgClient.PgClient
  const { url } = yield* Database
  const texts = [
    ...(yield* Effect.forEach(lines, (line) => Migration.print(line))),
    yield* Migration.grants(lines, "clerk")
  ]
  const sent = [clerk, ...texts].flatMap(statements)
  yield* owner.reserve.pipe(
    Effect.flatMap((connection) =>
      Effect.forEach(sent, (statement) => connection.executeUnprepared(statement, [], undefined), { discard: true })
    ),
    Effect.scoped
  )
  const asClerk = new URL(Redacted.value(url))
  asClerk.username = asClerk.password = "clerk"
  return Layer.effectDiscard(Effect.forEach(lines, Migration.run)).pipe(
    Layer.provideMerge(Database.layer({ url: Redacted.make(asClerk.href), directory: "/nonexistent" }))
  )
})).pipe(Layer.provideMerge(TestDatabase.layerAlone()))

const store = PostgresJobStore.layer().pipe(
  Layer.provideMerge(Notifier.layer()),
  Layer.provideMerge(Supervisor.layer),
  Layer.provideMerge(database)
)

layer(store, { excludeTestServices: true, timeout: 60_000 })("D.13 the least-privileged role", (it) => {
  it.effect("D.13 works, keeps a lease, rescues, prunes with days made and dropped, steers and erases", () =>
    Effect.gen(function*() {
      const store = yield* jobs.Store
      const sql = yield* PgClient.PgClient
      const [who] = yield* sql`
        SELECT current_user AS name, has_schema_privilege('ostinato', 'CREATE') AS creates,
          (SELECT count(*)::int FROM pg_tables WHERE tableowner = current_user) AS owned`
      assert.deepStrictEqual({ ...who }, { name: "clerk", creates: false, owned: 0 })

      const member = yield* store.join({ node: "clerk", info: {}, serves: { desk: ["test.task"] } })
      const [one, two] = yield* store.enqueue([
        jobs.job({ queue: "desk", unique: jobs.unique("k") }),
        jobs.job({ queue: "desk", payload: { n: 2 } })
      ])
      const claimed = yield* store.claim(member, "desk", 10)
      yield* store.progress(member, [{ job: claimed[0]!, value: 1 }])
      assert.strictEqual(
        (yield* store.finish(member, [jobs.end(claimed[0]!, { output: 1, logs: [jobs.logLine("x")] })])).size,
        0
      )
      yield* Effect.repeat(Effect.delay(sql`SELECT FROM ostinato.worker WHERE backend_pid > 0`, 20), {
        until: (rows) => rows.length > 0
      })
      yield* sql`UPDATE ostinato.worker SET expires_at = now() - interval '1 second'`
      assert.deepStrictEqual((yield* store.rescue).map(({ id }) => id), [two!.id])
      yield* member.lost

      const parts = Effect.map(
        sql<{ n: number }>`SELECT count(*)::int AS n FROM pg_inherits WHERE inhparent = 'ostinato.job'::regclass`,
        ([row]) => row!.n
      )
      const before = yield* parts
      yield* store.prune({})
      assert.isAbove(yield* parts, before)
      yield* store.prune({ jobs: 0 })
      assert.isNull(yield* store.get(one!.id))

      yield* store.limits.set({ name: "desk", permits: 1, rate: null })
      assert.isNull(yield* store.configure("desk", { limit: "desk" }))
      yield* store.pause("desk", true)
      yield* store.pause("desk", false)
      yield* store.holds.put("tenant:a")
      yield* store.holds.release("tenant:a")
      yield* store.sweep
      yield* store.cancel([two!.id], { actor: null, reason: null })
      assert.strictEqual((yield* store.erase([two!.id], { actor: "a", reason: null })).size, 1)
      assert.lengthOf(
        yield* store.query({ filter: { ...JobFilter.all, queues: ["desk"] }, before: null, limit: 10 }),
        1
      )
      assert.isTrue((yield* store.queues).some(({ name }) => name === "desk"))
      const [id] = yield* sql<{ id: string }>`SELECT ostinato.enqueue_job('desk', 'test.task', '{}')::text AS id`
      assert.match(id?.id ?? "", /^[0-9]+$/)
    }))

  it.effect("D.13 may not drop a day by itself, nor change what was erased or applied", () =>
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      for (
        const statement of [
          "DROP TABLE ostinato.job_default",
          "ALTER TABLE ostinato.job ADD x int",
          "CREATE TABLE ostinato.mine ()",
          "DELETE FROM ostinato.ostinato_migrations_jobs"
        ]
      ) {
        const exit = yield* Effect.exit(sql.unsafe(statement))
        assert.strictEqual(exit._tag, "Failure", statement)
      }
    }))
})

jobStoreSuite("D.13 least-privileged Postgres", store, {
  expire: ({ id }) =>
    Effect.flatMap(
      PgClient.PgClient,
      (sql) =>
        sql`UPDATE ostinato.worker SET expires_at = now() - interval '1 second', backend_pid = 0,
        witness_pid = 0 WHERE id = ${id}`
    )
})

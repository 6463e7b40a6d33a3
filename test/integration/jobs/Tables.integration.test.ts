/** The tables of jobs: made by many nodes at once, from printed text, in any schema, and used by a role that owns nothing. */
// @effect-diagnostics strictEffectProvide:off -- a store is built anew for each role and schema of a test
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Text from "effect/String"
import * as Supervisor from "ostinato/core/Supervisor"
import * as Postgres from "ostinato/jobs/stores/Postgres"
import { Database } from "ostinato/store/Database"
import * as DatabaseSchema from "ostinato/store/DatabaseSchema"
import * as Lease from "ostinato/store/Lease"
import * as Migration from "ostinato/store/Migration"
import { Notifier } from "ostinato/store/Notifier"
import * as TestDatabase from "../../contract/TestDatabase.ts"
import { end, failure, job, logLine, Store, unique } from "./jobs.ts"

const lines = [Postgres.migrations, Lease.migrations]

/** A statement ends with a line, unless it is the body of a function. */
const statements = (text: string) =>
  text.split("$$").reduce<ReadonlyArray<string>>((all, part, n) => {
    const last = all.at(-1) ?? ""
    if (n % 2 === 1) return [...all.slice(0, -1), `${last}$$${part}$$`]
    const [first = "", ...more] = part.split(/;\n/)
    return [...all.slice(0, -1), last + first, ...more]
  }, []).filter((statement) => statement.trim() !== "" && !/^\s*--[^\n]*\s*$/.test(statement))

const store = <R>(database: Layer.Layer<Layer.Success<ReturnType<typeof Database.layer>>, unknown, R>) =>
  Postgres.layer().pipe(
    Layer.provideMerge(Notifier.layer()),
    Layer.provideMerge(Layer.merge(database, Supervisor.layer))
  )

/** What a node does with jobs in an ordinary hour. */
const day = Effect.gen(function*() {
  const { cancel, claim, enqueue, finish, handBack, join, progress, promote, prune, rescue, reschedule, retry, sweep } =
    yield* Store
  const [first] = yield* enqueue([
    job({ queue: "day" }),
    job({ queue: "day", unique: unique("day", { withinMs: 1000, onConflict: "replace" }) }),
    job({ queue: "day", limit: { name: "order", key: "day", strict: true } }),
    job({ queue: "day", after: [{ parent: 0, on: "any" }] })
  ])
  yield* enqueue([job({ queue: "day" }), job({ queue: "day", delayMs: 60_000 })])
  const member = yield* join({ node: "clerk", info: {}, serves: { day: ["test.task"] } })
  const jobs = yield* claim(member, "day", 10)
  assert.strictEqual(jobs.length, 4)
  yield* progress(member, [{ job: jobs[0]!, value: 1 }])
  yield* finish(member, [
    end(jobs[0]!),
    end(jobs[1]!, { outcome: "retry", failure: failure("x"), logs: [logLine("x")] }),
    end(jobs[2]!, { output: 1 })
  ])
  yield* handBack(member, [jobs[3]!])
  yield* cancel([jobs[3]!.id], { actor: null, reason: null })
  yield* reschedule([jobs[1]!.id], { delayMs: 0 })
  yield* retry([jobs[3]!.id])
  yield* promote(100)
  yield* rescue
  yield* sweep
  yield* prune({})
  return first!.id
}).pipe(Effect.scoped)

layer(TestDatabase.layerAlone(), { excludeTestServices: true, timeout: 60_000 })("tables of jobs", (it) => {
  it.effect("a store without its tables says which migrations make them, for the first job and for the first worker", () =>
    Effect.gen(function*() {
      const { url } = yield* Database
      const services = yield* Layer.build(
        Postgres.layer().pipe(
          Layer.provideMerge(Notifier.layer()),
          Layer.provideMerge(Supervisor.layer),
          Layer.provideMerge(Database.layerClient({ schema: "no_tables_yet" })),
          Layer.provideMerge(PgClient.layer({ url }))
        )
      )
      const { enqueue, join } = Context.get(services, Store)
      const errors = [
        yield* Effect.flip(enqueue([job({ queue: "day" })])),
        yield* Effect.flip(join({ node: "early", info: {}, serves: {} }))
      ]
      for (const { message } of errors) {
        assert.include(message, "no_tables_yet")
        assert.include(message, "Migration.run(PostgresJobStore.migrations)")
      }
    }).pipe(Effect.scoped))

  it.effect("nodes that start at once make the tables once", () =>
    Effect.gen(function*() {
      const applied = yield* Effect.all(
        Array.from({ length: 4 }, () => Migration.run(Postgres.migrations)),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(applied.flat(), ["1_jobs"])
    }).pipe(Effect.provide(DatabaseSchema.layer("at_once"))))

  it.effect("D.13 a role that owns nothing does all that a node does, days made and dropped included, on tables from printed text", () =>
    Effect.gen(function*() {
      const owner = yield* PgClient.PgClient
      const { url } = yield* Database
      const text = [
        "CREATE ROLE clerk LOGIN PASSWORD 'clerk' NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT",
        ...(yield* Effect.forEach(lines, (line) => Migration.print(line))).flatMap(statements),
        ...statements(yield* Migration.grants(lines, "clerk"))
      ]
      yield* Effect.forEach(text, (statement) => owner.unsafe(statement), { discard: true })
      assert.deepStrictEqual(yield* Migration.pending(Postgres.migrations), [])
      const asClerk = new URL(Redacted.value(url))
      asClerk.username = asClerk.password = "clerk"
      const services = yield* Layer.build(
        store(Database.layer({ url: Redacted.make(asClerk.href), directory: "/nonexistent" }))
      )
      const clerk = Context.get(services, PgClient.PgClient)
      yield* Effect.provideContext(day, services)
      const [row] = yield* clerk<{ days: number; dropped: string; owned: number }>`
        SELECT (SELECT count(*)::int FROM pg_tables WHERE tablename ~ '^job_[0-9]{8}$' AND schemaname = 'ostinato') AS days,
          ostinato.drop_day('2020-01-01', '1 day', '1 day', '1 day') AS dropped,
          (SELECT count(*)::int FROM pg_tables WHERE tableowner = 'clerk') AS owned`
      assert.deepStrictEqual({ ...row }, { days: 8, dropped: "absent", owned: 0 })
      // what a function of the owner does, its caller does not choose
      const [path] = yield* clerk<{ config: string }>`
        SELECT string_agg(array_to_string(proconfig, ' '), ' ') AS config FROM pg_proc
        WHERE prosecdef AND pronamespace = 'ostinato'::regnamespace`
      assert.match(path!.config, /search_path=pg_catalog, pg_temp/)
      const refused = yield* Effect.flip(clerk`DROP TABLE ostinato.job_default`)
      assert.match(String(refused.reason.cause), /must be owner/)
    }).pipe(Effect.scoped))

  it.effect("a client of the application that transforms names is the one whose transactions are joined, in a schema of its own", () =>
    Effect.gen(function*() {
      const { url } = yield* Database
      const client = PgClient.layer({
        url,
        transformResultNames: Text.snakeToCamel,
        transformQueryNames: Text.camelToSnake
      })
      const services = yield* Layer.build(
        Postgres.layer().pipe(
          Layer.provideMerge(Notifier.layer()),
          Layer.provideMerge(Supervisor.layer),
          Layer.provideMerge(Layer.effectDiscard(Effect.forEach(lines, Migration.run))),
          Layer.provideMerge(Database.layerClient({ schema: "camel_one" })),
          Layer.provideMerge(client)
        )
      )
      yield* Effect.provideContext(day, services)
      const { enqueue } = Context.get(services, Store)
      const sql = Context.get(services, PgClient.PgClient)
      const count = sql<{ n: number }>`SELECT count(*)::int AS n FROM camel_one.job`
      const [before] = yield* count
      yield* Effect.exit(sql.withTransaction(Effect.andThen(enqueue([job({ queue: "day" })]), Effect.fail("no"))))
      assert.deepStrictEqual(yield* count, [before!])
      const [others] = yield* sql<{ n: number }>`SELECT count(*)::int AS n FROM at_once.job`
      assert.deepStrictEqual(others, { n: 0 })
    }).pipe(Effect.scoped))
})

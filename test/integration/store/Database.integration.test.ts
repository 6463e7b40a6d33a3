// @effect-diagnostics strictEffectProvide:off -- each test is an entry point of its own
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, describe, it, layer } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Runtime from "effect/Runtime"
import * as SqlClient from "effect/sql/SqlClient"
import { Database, type DatabaseOptions } from "../../../src/store/Database.ts"
import * as SqlFault from "../../../src/store/SqlFault.ts"
import { Tx } from "../../../src/store/Tx.ts"
import * as FakeServer from "./fakeServer.ts"

const secret = "hunter2-canary"

const Embedded = Layer.unwrap(Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const made = yield* fs.makeTempDirectoryScoped({ directory: "/tmp", prefix: "ostinato-test-" })
  yield* fs.chmod(made, 0o755)
  return Database.layer({ directory: `${made}/data`, maxConnections: 5, node: "n".repeat(80) })
})).pipe(Layer.provideMerge(NodeServices.layer))

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index)

const failure = Effect.fnUntraced(function*(options: Omit<DatabaseOptions, "directory" | "url">, url: string) {
  const exit = yield* Effect.exit(Effect.provide(
    Database,
    Database.layer({ ...options, url: Redacted.make(url), directory: "/nonexistent" }),
    { local: true }
  ))
  assert.strictEqual(exit._tag, "Failure", "it did not fail")
  if (exit._tag !== "Failure") return yield* Effect.die("unreachable")
  assert.notInclude(Cause.pretty(exit.cause), secret)
  return yield* Effect.flip(Effect.failCause(exit.cause))
})

layer(Embedded, { excludeTestServices: true, timeout: 60_000 })("Database", (it) => {
  describe("layer", () => {
    it.effect("says where it is without a password, and is Postgres 18", () =>
      Effect.gen(function*() {
        const database = yield* Database
        assert.strictEqual(database.kind, "embedded")
        assert.match(database.describe, /^embedded Postgres at \/tmp\//)
        assert.match(database.version, /^18\./)
      }))

    it.effect("provides one client under both tags", () =>
      Effect.gen(function*() {
        assert.strictEqual<unknown>(yield* PgClient.PgClient, yield* SqlClient.SqlClient)
      }))

    it.effect("names its connections by role within 63 bytes and guards them", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        const [row] = yield* sql<{ name: string; idle: string; lock: string }>`
        select application_name as name, current_setting('idle_in_transaction_session_timeout') as idle,
          current_setting('lock_timeout') as lock
        from pg_stat_activity where pid = pg_backend_pid()`
        assert.deepStrictEqual({ ...row }, { name: `ostinato:user:${"n".repeat(49)}`, idle: "30s", lock: "10s" })
      }))

    it.effect("reaches the same server by URL over its unix socket", () =>
      Effect.gen(function*() {
        const embedded = yield* Database
        yield* Effect.provide(
          Effect.gen(function*() {
            const database = yield* Database
            assert.strictEqual(database.kind, "url")
            assert.match(database.describe, /^\/.*ostinato-pg-.*:5432\/postgres$/)
          }),
          Database.layer({ url: embedded.url, directory: "/nonexistent" }),
          { local: true }
        )
      }))

    it.effect("fails without the password when the password is wrong", () =>
      Effect.gen(function*() {
        const url = new URL(Redacted.value((yield* Database).url))
        url.password = secret
        const error = yield* failure({}, url.href)
        assert.strictEqual(error._tag, "DatabaseUnavailable")
        assert.include(error.message, "password authentication failed for user \"ostinato\"")
      }))
  })

  describe("transaction", () => {
    it.effect("leaves nothing after a failure, a defect or an interruption", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        yield* sql`create table ledger (entry text not null)`
        const write = (entry: string) => sql`insert into ledger values (${entry})`
        yield* Effect.exit(Database.transaction(Effect.andThen(write("failed"), Effect.fail("no"))))
        yield* Effect.exit(Database.transaction(Effect.andThen(write("died"), Effect.die("no"))))
        yield* Effect.exit(Database.transaction(Effect.andThen(write("interrupted"), Effect.interrupt)))
        assert.deepStrictEqual(yield* sql`select * from ledger`, [])
        yield* Database.transaction(write("kept"))
        assert.deepStrictEqual((yield* sql<{ entry: string }>`select entry from ledger`).map((row) => row.entry), [
          "kept"
        ])
      }))

    it.effect("rolls an inner failure back to its savepoint and keeps the rest", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        yield* sql`create table nested (entry text not null)`
        yield* Database.transaction(Effect.gen(function*() {
          yield* sql`insert into nested values ('outer')`
          yield* Effect.ignore(
            Database.transaction(Effect.andThen(sql`insert into nested values ('inner')`, Effect.fail("no")))
          )
        }))
        assert.deepStrictEqual((yield* sql<{ entry: string }>`select entry from nested`).map((row) => row.entry), [
          "outer"
        ])
      }))

    it.effect("provides Tx to what must not run outside it", () =>
      Effect.gen(function*() {
        const mustBeInside = Effect.as(Tx, "inside")
        assert.strictEqual(yield* Database.transaction(mustBeInside), "inside")
        const context = yield* Effect.context()
        assert.isTrue(Option.isNone(Context.getOption(context, Tx)), "nothing else provides it")
      }))

    it.effect("S0.19: 50 concurrent transactions share 5 connections and never mix", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        const transaction = Effect.fnUntraced(function*(index: number) {
          yield* sql`select set_config('ostinato.test', ${String(index)}, true)`
          yield* sql`select pg_sleep(0.002)`
          const [row] = yield* sql<{ value: string; pid: number }>`
            select current_setting('ostinato.test') as value, pg_backend_pid() as pid`
          assert.strictEqual(row?.value, String(index))
          return row?.pid
        })
        const backends = yield* Effect.forEach(numbers(50), (index) => Database.transaction(transaction(index)), {
          concurrency: "unbounded"
        })
        assert.isAtMost(new Set(backends).size, 5)
      }))

    it.effect("S0.19: 50 waiters for a connection are served first come, first served", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        const gates = yield* Effect.forEach(numbers(5), () => Deferred.make<void>())
        const held = yield* Latch.make()
        let holding = 0
        const holders = yield* Effect.forEach(gates, (gate) =>
          Effect.forkChild(Database.transaction(Effect.gen(function*() {
            holding += 1
            if (holding === 5) {
              yield* held.open
            }
            yield* Deferred.await(gate)
          }))))
        yield* held.await
        const served: Array<number> = []
        const waiters = yield* Effect.forEach(numbers(50), (index) =>
          Effect.forkChild(
            Database.transaction(Effect.andThen(
              sql`select 1`,
              Effect.sync(() =>
                served.push(index)
              )
            )),
            { startImmediately: true }
          ))
        // one connection comes back: the waiters have to share it, so their order is the pool's choice alone
        yield* Deferred.succeed(gates[0] ?? (yield* Deferred.make<void>()), undefined)
        yield* Fiber.joinAll(waiters)
        yield* Effect.forEach(gates, (gate) => Deferred.succeed(gate, undefined))
        yield* Fiber.joinAll(holders)
        assert.deepStrictEqual(served, numbers(50))
      }))

    it.effect("reads a session that the server ended as an outage, and the pool heals", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        const error = yield* Effect.flip(sql`select pg_terminate_backend(pg_backend_pid())`)
        assert.isTrue(SqlFault.mayPass(error), SqlFault.classify(error))
        assert.deepStrictEqual((yield* sql<{ one: number }>`select 1 as one`).map((row) => row.one), [1])
      }))
  })
})

describe("Database at a URL", () => {
  const live = (name: string, test: Effect.Effect<void, unknown, NodeServices.NodeServices>) =>
    it.live(name, () => Effect.provide(test, NodeServices.layer), 20_000)

  live(
    "says that nobody listens there, without the password",
    Effect.gen(function*() {
      const port = yield* Effect.scoped(FakeServer.listen({ version: 180_004 }))
      const error = yield* failure({}, `postgres://ann:${secret}@127.0.0.1:${port}/app`)
      assert.strictEqual(error._tag, "DatabaseUnavailable")
      assert.strictEqual(
        error.message,
        `cannot reach Postgres at 127.0.0.1:${port}/app: connection refused. ` +
          "Check DATABASE_URL, or unset it to use the embedded server"
      )
      assert.strictEqual(Runtime.getErrorExitCode(error), 69)
    })
  )

  live(
    "gives up on a server that accepts and never answers",
    Effect.gen(function*() {
      const port = yield* FakeServer.listen({ version: 180_004, silent: true })
      const error = yield* failure({ connectTimeout: "200 millis" }, `postgres://ann:${secret}@127.0.0.1:${port}/app`)
      assert.strictEqual(error._tag, "DatabaseUnavailable")
    }).pipe(Effect.scoped)
  )

  live(
    "refuses a server before Postgres 15 and names both versions",
    Effect.gen(function*() {
      const port = yield* FakeServer.listen({ version: 140_012 })
      const error = yield* failure({}, `postgres://ann:${secret}@127.0.0.1:${port}/app`)
      assert.strictEqual(error._tag, "DatabaseTooOld")
      assert.include(error.message, `Postgres 14.12 at 127.0.0.1:${port}/app is too old: use Postgres 15 or later`)
    }).pipe(Effect.scoped)
  )

  for (const does of ["refuses", "ignores"] as const) {
    live(
      `prepares nothing for later, and does without session settings, behind a pooler that ${does} them`,
      Effect.gen(function*() {
        const port = yield* FakeServer.listen({ version: 150_000, [`${does}Settings`]: true })
        const url = Redacted.make(`postgres://ann:${secret}@127.0.0.1:${port}/app`)
        yield* Effect.provide(
          Effect.map(Database, ({ connection, pooler, version }) => {
            assert.deepStrictEqual([version, pooler], ["15.0", true])
            assert.deepInclude(connection("user"), { prepare: false })
            assert.isUndefined(connection("user").startupParameters)
          }),
          Database.layer({ url, directory: "/nonexistent" })
        )
      }).pipe(Effect.scoped)
    )
  }

  live(
    "takes a server that keeps its settings for one without a pooler",
    Effect.gen(function*() {
      const port = yield* FakeServer.listen({ version: 150_000 })
      const url = Redacted.make(`postgres://ann:${secret}@127.0.0.1:${port}/app`)
      yield* Effect.provide(
        Effect.map(Database, ({ connection, pooler }) => {
          assert.isFalse(pooler)
          assert.isUndefined(connection("user").prepare)
        }),
        Database.layer({ url, directory: "/nonexistent" })
      )
    }).pipe(Effect.scoped)
  )

  live(
    "shows nothing of a URL that cannot be read",
    Effect.gen(function*() {
      for (const url of [`postgres://ann:12/${secret}@db/app`, secret, `postgres://ann:${secret}@:x/`, ""]) {
        const error = yield* failure({}, url)
        assert.strictEqual(error._tag, "DatabaseUnavailable")
        assert.include(error.message, "cannot reach Postgres at the given URL")
      }
    })
  )
})

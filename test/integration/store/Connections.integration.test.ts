/** Whose connections there are, and that user code cannot take those of the house. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as SqlClient from "effect/sql/SqlClient"
import * as Text from "effect/String"
import { CheckpointStore } from "ostinato/core/CheckpointStore"
import { RunLog } from "ostinato/core/RunLog"
import * as Supervisor from "ostinato/core/Supervisor"
import { ControlSql } from "ostinato/store/ControlSql"
import { Database } from "ostinato/store/Database"
import * as Lease from "ostinato/store/Lease"
import { Notifier } from "ostinato/store/Notifier"
import * as PostgresCheckpointStore from "ostinato/store/PostgresCheckpointStore"
import * as PostgresRunLog from "ostinato/store/PostgresRunLog"
import * as TestDatabase from "../../contract/TestDatabase.ts"

/** An application with a small pool, on the server of the test. */
const application = (node: string) =>
  Effect.gen(function*() {
    const { url } = yield* Database
    const options = { url, directory: "/nonexistent", node, maxConnections: 3, controlConnections: 2 }
    return yield* Layer.build(
      Layer.mergeAll(PostgresRunLog.layer(), Notifier.layer(), Lease.Lease.layer()).pipe(
        Layer.provideMerge(Layer.merge(Database.layer(options), Supervisor.layer))
      )
    )
  })

/** Names as many applications like them: snake_case in the database, camelCase in the program. */
const camel = { transformResultNames: Text.snakeToCamel, transformQueryNames: Text.camelToSnake }

/** Fills the pool of user code with open transactions, and puts 100 queries behind them. */
const congested = Effect.fnUntraced(function*(sql: SqlClient.SqlClient) {
  const release = yield* Deferred.make<void>()
  const full = yield* Latch.make()
  let open = 0
  const holder = sql.withTransaction(Effect.gen(function*() {
    yield* sql`SELECT 1`
    if (++open === 3) yield* full.open
    yield* Deferred.await(release)
  }))
  const holders = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(holder))
  yield* full.await
  const queued = yield* Effect.forEach(
    Array.from({ length: 100 }),
    () => Effect.forkChild(sql`SELECT 1`, { startImmediately: true })
  )
  return { queued, end: Effect.andThen(Deferred.succeed(release, undefined), Fiber.joinAll([...holders, ...queued])) }
})

layer(TestDatabase.layer(PostgresRunLog.migrations, PostgresCheckpointStore.migrations, Lease.migrations), {
  excludeTestServices: true,
  timeout: 60_000
})("connections", (it) => {
  it.effect("S0.42 under load every backend is known by its role, and there are no more of a role than were declared", () =>
    Effect.gen(function*() {
      const outside = yield* SqlClient.SqlClient
      const services = yield* application("declared")
      const sql = Context.get(services, SqlClient.SqlClient)
      const log = Context.get(services, RunLog)
      const notifier = Context.get(services, Notifier)
      const { end } = yield* congested(sql)
      const reads = yield* Effect.forkChild(Effect.forEach(Array.from({ length: 200 }), () => log.list({}), {
        concurrency: "unbounded",
        discard: true
      }))
      yield* Effect.repeat(notifier.state, {
        until: (state) => state === "listening",
        schedule: Schedule.spaced("5 millis")
      })
      yield* Fiber.join(reads)
      const rows = yield* outside<{ name: string; count: number }>`
        SELECT application_name AS name, count(*)::int AS count FROM pg_stat_activity
        WHERE datname = current_database() AND application_name NOT LIKE ${`ostinato:%:${process.pid}`}
        GROUP BY 1 ORDER BY 1`
      assert.deepStrictEqual(rows.map(({ count, name }) => [name, count]), [
        ["ostinato:control:declared", 2],
        ["ostinato:listener:declared", 1],
        ["ostinato:user:declared", 3]
      ])
      yield* end
    }))

  it.effect("S1.32 with the user's pool full and 100 queries queued, records, leases and wake-ups wait for none of them", () =>
    Effect.gen(function*() {
      const services = yield* application("congested")
      const sql = Context.get(services, SqlClient.SqlClient)
      const log = Context.get(services, RunLog)
      const lease = Context.get(services, Lease.Lease)
      const { end, queued } = yield* congested(sql)
      assert.deepStrictEqual(yield* log.list({}), [])
      const claim = Option.getOrThrow(yield* lease.acquire("housekeeping"))
      yield* lease.renew(claim)
      yield* Context.get(services, Notifier).notify("jobs")
      assert.strictEqual(queued.filter((fiber) => fiber.pollUnsafe() !== undefined).length, 0)
      yield* end
    }))

  it.effect("S1.32 with 100 statements of the house queued, a query of a request waits for none of them", () =>
    Effect.gen(function*() {
      const services = yield* application("busy")
      const control = Context.get(services, ControlSql)
      const sql = Context.get(services, SqlClient.SqlClient)
      const held = yield* Deferred.make<void>()
      const holders = yield* Effect.forEach([1, 2], () =>
        Effect.forkChild(
          control.withTransaction(Effect.andThen(control`SELECT 1`, Deferred.await(held))),
          { startImmediately: true }
        ))
      const queued = yield* Effect.forEach(
        Array.from({ length: 100 }),
        () => Effect.forkChild(control`SELECT 1`, { startImmediately: true })
      )
      assert.strictEqual((yield* sql`SELECT 1`).length, 1)
      assert.strictEqual(queued.filter((fiber) => fiber.pollUnsafe() !== undefined).length, 0)
      yield* Deferred.succeed(held, undefined)
      yield* Fiber.joinAll([...holders, ...queued])
    }))

  it.effect("a server by URL that does not keep what it has committed is said so, by the name of the setting", () =>
    Effect.gen(function*() {
      const said: Array<string> = []
      const logger = Logger.make(({ message }) => void said.push(String(message)))
      yield* Effect.provide(application("unsafe"), Logger.layer([logger]))
      assert.strictEqual(said.length, 1)
      assert.include(said[0], "runs with fsync = off: what it has committed may be lost in a crash")
    }))

  it.effect("D.5 an application with a client of its own keeps it: stores join its transactions, the house opens its own", () =>
    Effect.gen(function*() {
      const outside = yield* SqlClient.SqlClient
      const { url } = yield* Database
      const services = yield* Layer.build(
        Layer.merge(PostgresCheckpointStore.layer(), PostgresRunLog.layer()).pipe(
          Layer.provideMerge(Layer.merge(Database.layerClient({ node: "host" }), Supervisor.layer)),
          Layer.provideMerge(PgClient.layer({ url, applicationName: "shop", maxConnections: 1, ...camel }))
        )
      )
      const shop = Context.get(services, PgClient.PgClient)
      const checkpoints = Context.get(services, CheckpointStore)
      yield* Effect.exit(shop.withTransaction(Effect.andThen(checkpoints.save("order", 1), Effect.fail("rolled back"))))
      assert.isTrue(Option.isNone(yield* checkpoints.load("order")))
      const order = { order_id: 2, itemCount: { per_box: 3 } }
      yield* shop.withTransaction(checkpoints.save("order", order))
      assert.deepStrictEqual(yield* checkpoints.load("order"), Option.some(order))
      assert.deepStrictEqual(yield* Context.get(services, RunLog).list({}), [])
      const names = yield* outside<{ name: string }>`
        SELECT DISTINCT application_name AS name FROM pg_stat_activity
        WHERE datname = current_database() AND (application_name = 'shop' OR application_name LIKE '%:host') ORDER BY 1`
      assert.deepStrictEqual(names.map(({ name }) => name), ["ostinato:control:host", "shop"])
    }))

  it.effect("S0.42 a statement of the house never joins a user's transaction", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const control = yield* ControlSql
      yield* sql`CREATE TABLE joins (who text)`
      yield* Effect.exit(Database.transaction(Effect.gen(function*() {
        yield* sql`INSERT INTO joins VALUES ('user')`
        yield* control`INSERT INTO joins VALUES ('house')`
        return yield* Effect.fail("rolled back")
      })))
      const rows = yield* sql<{ who: string }>`SELECT who FROM joins`
      assert.deepStrictEqual(rows.map(({ who }) => who), ["house"])
    }))
})

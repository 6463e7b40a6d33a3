/** The database goes away and comes back, under work that is in flight. */
import { assert, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import * as Stream from "effect/Stream"
import * as Dispatch from "ostinato/core/Dispatch"
import { RunLog } from "ostinato/core/RunLog"
import * as Supervisor from "ostinato/core/Supervisor"
import * as Task from "ostinato/core/Task"
import { Database } from "ostinato/store/Database"
import { Notifier } from "ostinato/store/Notifier"
import * as Outage from "ostinato/store/Outage"
import * as PostgresRunLog from "ostinato/store/PostgresRunLog"
import * as TestDatabase from "../../contract/TestDatabase.ts"
import { begin, ended } from "./aRun.ts"
import * as Proxy from "./proxy.ts"

/** A node whose way to the database can be cut. */
const node = Effect.gen(function*() {
  const url = new URL(Redacted.value((yield* Database).url))
  const way = yield* Proxy.listen(`${decodeURIComponent(url.hostname)}/.s.PGSQL.${url.port}`)
  const through = Redacted.make(Proxy.url((yield* Database).url, way.port))
  const services = yield* Layer.build(
    Layer.merge(PostgresRunLog.layer(), Notifier.layer()).pipe(
      Layer.provideMerge(
        Layer.merge(Database.layer({ url: through, directory: "/nonexistent", node: "cut" }), Supervisor.layer)
      )
    )
  )
  return { way, services, log: Context.get(services, RunLog) }
})

const until = <A, E, R>(look: Effect.Effect<A, E, R>, isSo: (value: A) => boolean) =>
  Effect.repeat(look, { until: isSo, schedule: Schedule.spaced("5 millis") })

layer(TestDatabase.layer(PostgresRunLog.migrations), { excludeTestServices: true, timeout: 60_000 })("outage", (it) => {
  it.effect("S1.23 a run whose database goes away in the middle is recorded as failed with a typed error when it is back", () =>
    Effect.gen(function*() {
      const { log, services, way } = yield* node
      const [reached, goOn, failed] = [
        yield* Deferred.make<void>(),
        yield* Deferred.make<void>(),
        yield* Deferred.make<void>()
      ]
      const task = Task.make("outage.count", { success: Schema.Int, error: Outage.DatabaseAway })
      const handler = Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        yield* Deferred.succeed(reached, undefined)
        yield* Deferred.await(goOn)
        const rows = yield* Outage.typed(sql`SELECT 1`).pipe(
          Effect.catchTag("SqlError", Effect.die),
          Effect.tapError(() => Deferred.succeed(failed, undefined))
        )
        return rows.length
      })
      const run = yield* Effect.forkChild(
        Effect.flip(Effect.flatMap(Dispatch.here(task, {}, { kind: "code" }), (begun) => begun.await)).pipe(
          Effect.provide(Layer.provideMerge(task.toLayer(() => handler), Layer.succeedContext(services)))
        )
      )
      yield* Deferred.await(reached)
      yield* way.cut
      yield* Deferred.succeed(goOn, undefined)
      yield* Deferred.await(failed)
      yield* way.restore
      const error = yield* Fiber.join(run)
      assert.strictEqual(error._tag, "DatabaseAway")
      const [row] = yield* log.list({ task: "outage.count" })
      assert.strictEqual(row?.status, "failed")
      assert.strictEqual(row?.failure?.tag, "DatabaseAway")
    }))

  it.effect("S1.23 the end of a run that nobody could write is written when the database is back, also if nobody asks again", () =>
    Effect.gen(function*() {
      const { log, way } = yield* node
      const id = yield* Effect.provideService(begin, RunLog, log)
      yield* way.cut
      const error = yield* Effect.flip(log.end(id, ended))
      assert.strictEqual(error._tag, "RunLogUnavailable")
      yield* way.restore
      yield* until(Effect.retry(log.get(id), Schedule.spaced("20 millis")), (run) => run?.status === "completed")
      assert.isTrue(yield* log.end(id, ended), "whoever still tries learns that it was its own end")
      assert.isFalse(yield* log.end(id, ended))
    }))

  it.effect("S1.23 a server that only reads, as after a fail-over, is away and not wrong", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const write = Database.transaction(Effect.andThen(sql`SET TRANSACTION READ ONLY`, sql`CREATE TABLE none (n int)`))
      const error = yield* Effect.flip(Outage.typed(write))
      assert.strictEqual(error._tag, "DatabaseAway")
      assert.include(error.message, "nothing was changed by this statement, try again later")
    }))

  it.effect("S1.23 every part goes on by itself when the database is back: pools, control connections, wake-ups", () =>
    Effect.gen(function*() {
      const { log, services, way } = yield* node
      const notifier = Context.get(services, Notifier)
      const sql = Context.get(services, SqlClient.SqlClient)
      yield* until(notifier.state, (state) => state === "listening")
      yield* way.cut
      const away = yield* Effect.flip(Outage.typed(sql`SELECT 1`))
      assert.strictEqual(away._tag, "DatabaseAway")
      yield* until(notifier.state, (state) => state !== "listening")
      yield* way.restore
      assert.strictEqual((yield* Effect.retry(sql`SELECT 1`, Schedule.spaced("20 millis"))).length, 1)
      yield* Effect.retry(log.list({}), Schedule.spaced("20 millis"))
      yield* until(notifier.state, (state) => state === "listening")
      yield* Stream.runDrain(Stream.take(notifier.listen("jobs"), 1))
    }))
})

import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Text from "effect/String"
import * as Decide from "ostinato/schedule/Decide"
import * as SchedulePolicy from "ostinato/schedule/SchedulePolicy"
import { ScheduleStore } from "ostinato/schedule/ScheduleStore"
import * as PostgresScheduleStore from "ostinato/schedule/stores/Postgres"
import type { Claim } from "ostinato/schedule/Tick"
import * as Timetable from "ostinato/schedule/Timetable"
import { Database } from "ostinato/store/Database"
import * as TestDatabase from "../../contract/TestDatabase.ts"

/** Names as many applications like them: snake_case in the database, camelCase in the program. */
const camel = { transformResultNames: Text.snakeToCamel, transformQueryNames: Text.camelToSnake }

const fortnightly = Timetable.every("2 weeks")

/** Another process that starts now. */
const elsewhere = <A, E>(work: Effect.Effect<A, E, ScheduleStore>, options?: { readonly exclusive: boolean }) =>
  Effect.provide(work, PostgresScheduleStore.layer(options))

const register = (name: string) =>
  Effect.flatMap(
    ScheduleStore,
    (store) =>
      store.register({
        name,
        task: "suite.task",
        timetable: fortnightly,
        policy: SchedulePolicy.standard,
        source: "code",
        tenant: null,
        payload: null
      })
  )

const advance = (name: string, atStart = false) =>
  Effect.flatMap(
    ScheduleStore,
    (store) => store.advance(name, Decide.decide({ fires: true, extra: atStart ? "start" : undefined, random: 0 }))
  )

const begin = (name: string) =>
  Effect.flatMap(
    PgClient.PgClient,
    (sql) => sql`UPDATE ostinato.tick SET begun_at = now() WHERE schedule = ${name} AND begun_at IS NULL`
  )

/** As if the schedule had been made this long ago. */
const age = (name: string, days: number) =>
  Effect.flatMap(
    PgClient.PgClient,
    (sql) =>
      sql`
      WITH t AS (UPDATE ostinato.tick SET tick = tick - ${days} * interval '1 day' WHERE schedule = ${name})
      UPDATE ostinato.schedule SET next_tick = next_tick - ${days} * interval '1 day',
        last_tick = last_tick - ${days} * interval '1 day' WHERE name = ${name}`
  )

layer(
  Layer.provideMerge(PostgresScheduleStore.layer(), TestDatabase.layer(PostgresScheduleStore.migrations)),
  { excludeTestServices: true }
)("PostgresScheduleStore", (it) => {
  it.effect("S1.O1 computes the next tick from the stored one, whichever process asks", () =>
    Effect.gen(function*() {
      const { nextTick } = yield* register("o1")
      yield* age("o1", 9)
      assert.deepStrictEqual((yield* elsewhere(Effect.andThen(register("o1"), advance("o1")))).started, [])
      yield* age("o1", 5)
      const { started } = yield* elsewhere(Effect.andThen(register("o1"), advance("o1")))
      const daysFromFirst = (started[0]?.tick.epochMilliseconds ?? 0) - (nextTick?.epochMilliseconds ?? 0)
      assert.strictEqual(started.length, 1)
      assert.strictEqual(daysFromFirst, -14 * 86_400_000)
      assert.deepStrictEqual((yield* advance("o1")).started, [])
    }))

  it.effect("closes an open tick as abandoned when its lease ran out, and then fires again", () =>
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      const store = yield* ScheduleStore
      yield* register("lease")
      assert.strictEqual((yield* advance("lease", true)).started.length, 1)
      yield* begin("lease")
      assert.strictEqual((yield* elsewhere(advance("lease", true))).skipped, 1)
      yield* sql`UPDATE ostinato.tick SET lease_until = now() - interval '1 second' WHERE outcome IS NULL`
      assert.strictEqual((yield* elsewhere(advance("lease", true))).started.length, 1)
      const outcomes = (yield* store.ticks("lease", 10)).map((tick) => tick.outcome)
      assert.deepStrictEqual(outcomes, [null, "skipped", "abandoned"])
    }))

  it.effect("closes at once what fired before a server that this process started, and leaves alone what fired since", () =>
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      yield* register("exclusive")
      assert.strictEqual((yield* advance("exclusive", true)).started.length, 1)
      yield* begin("exclusive")
      assert.strictEqual((yield* elsewhere(advance("exclusive", true), { exclusive: true })).skipped, 1)
      yield* sql`
        UPDATE ostinato.tick SET begun_at = pg_postmaster_start_time() - interval '1 second'
        WHERE schedule = 'exclusive'`
      assert.strictEqual((yield* elsewhere(advance("exclusive", true), { exclusive: true })).started.length, 1)
    }))

  it.effect("a job that a tick hands over is there with the tick, or neither is", () =>
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      const store = yield* ScheduleStore
      yield* sql`CREATE TABLE handed (tick text)`
      yield* register("handed")
      const decide = Decide.decide({ fires: true, extra: "start", random: 0 })
      const enqueue = (claim: Claim) => sql`INSERT INTO handed VALUES (${String(claim.epoch)})`
      // the job's statement fails after it was made: a savepoint takes it back, and the tick says why
      yield* store.advance("handed", decide, (claim) => Effect.andThen(enqueue(claim), Effect.die(new Error("no"))))
      assert.deepStrictEqual((yield* store.ticks("handed", 10)).map(({ outcome }) => outcome), ["failed"])
      // the decision is lost after the job was made
      const lost = yield* Effect.exit(
        store.advance("handed", decide, (claim) =>
          Effect.andThen(enqueue(claim), sql`SELECT pg_terminate_backend(pg_backend_pid())`))
      )
      assert.strictEqual(lost._tag, "Failure")
      assert.deepStrictEqual(yield* sql`SELECT * FROM handed`, [])
      assert.strictEqual((yield* store.ticks("handed", 10)).length, 1)
      const { enqueued, started } = yield* store.advance("handed", decide, enqueue)
      assert.deepStrictEqual([enqueued, started], [1, []])
      assert.strictEqual((yield* sql`SELECT * FROM handed`).length, 1)
    }))

  it.effect("D.5 an application whose client renames columns shares its transactions, and what is stored stays as it was", () =>
    Effect.gen(function*() {
      const { url } = yield* Database
      const services = yield* Layer.build(
        Layer.provideMerge(PostgresScheduleStore.layer(), PgClient.layer({ url, maxConnections: 2, ...camel }))
      )
      const shop = Context.get(services, PgClient.PgClient)
      const store = Context.get(services, ScheduleStore)
      const payload = { order_id: 2, itemCount: { per_box: 3 } }
      const made = yield* store.register({
        name: "shop",
        task: "shop.order",
        timetable: fortnightly,
        policy: SchedulePolicy.standard,
        source: "stored",
        tenant: "acme",
        payload
      })
      assert.deepStrictEqual(made.payload, payload)
      const seen = (yield* (yield* ScheduleStore).list).find(({ name }) => name === "shop")
      assert.deepStrictEqual([seen?.payload, seen?.timetable], [payload, fortnightly])
      yield* shop`CREATE TABLE shop_order (order_id int)`
      const decide = Decide.decide({ fires: true, extra: "start", random: 0 })
      const order = (n: number) => shop`INSERT INTO shop_order VALUES (${n})`
      yield* store.advance("shop", decide, () => Effect.andThen(order(1), Effect.die(new Error("no"))))
      yield* store.advance("shop", decide, () => order(2))
      assert.deepStrictEqual(yield* shop`SELECT order_id FROM shop_order`, [{ orderId: 2 }])
    }))
})

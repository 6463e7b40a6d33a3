import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as EffectSchedule from "effect/Schedule"
import * as Text from "effect/String"
import * as Decide from "ostinato/schedule/Decide"
import * as SchedulePolicy from "ostinato/schedule/SchedulePolicy"
import { ScheduleStore } from "ostinato/schedule/ScheduleStore"
import * as PostgresScheduleStore from "ostinato/schedule/stores/Postgres"
import type { Claim, Retention } from "ostinato/schedule/Tick"
import * as Timetable from "ostinato/schedule/Timetable"
import { Database } from "ostinato/store/Database"
import { schedules } from "../../../src/schedule/internal/postgres/decision.ts"
import * as TestDatabase from "../../contract/TestDatabase.ts"

/** Names as many applications like them: snake_case in the database, camelCase in the program. */
const camel = { transformResultNames: Text.snakeToCamel, transformQueryNames: Text.camelToSnake }

const fortnightly = Timetable.every("2 weeks")

/** Another process that starts now. */
const elsewhere = <A, E, R>(
  work: Effect.Effect<A, E, R>,
  options?: Parameters<typeof PostgresScheduleStore.layer>[0]
) => Effect.provide(work, PostgresScheduleStore.layer(options))

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

/** Holds a row until somebody waits for it, then does something else in the same transaction. */
const whileHeld = <E, R>(
  hold: (sql: PgClient.PgClient) => Effect.Effect<unknown, unknown>,
  waits: Effect.Effect<unknown, E, R>,
  then: (sql: PgClient.PgClient) => Effect.Effect<unknown, unknown>
) =>
  Effect.flatMap(PgClient.PgClient, (sql) =>
    Effect.gen(function*() {
      const waiting = yield* sql.withTransaction(Effect.gen(function*() {
        yield* hold(sql)
        const waiting = yield* Effect.forkDetach(waits)
        yield* Effect.repeat(
          sql<{ waiting: number }>`
            SELECT count(DISTINCT pid)::int AS waiting FROM pg_locks
            WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))`,
          { until: ([row]) => (row?.waiting ?? 0) > 0, schedule: EffectSchedule.spaced("10 millis") }
        )
        yield* then(sql)
        return waiting
      }))
      yield* Fiber.join(waiting)
    }))

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

  it.effect("G11 a lease that is renewed while a decision looks is not taken for lost", () =>
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      const store = yield* ScheduleStore
      yield* register("looked")
      yield* advance("looked", true)
      yield* begin("looked")
      yield* sql`UPDATE ostinato.tick SET lease_until = now() - interval '1 second' WHERE schedule = 'looked'`
      let started: ReadonlyArray<Claim> = []
      yield* whileHeld(
        (sql) => sql`UPDATE ostinato.tick SET lease_until = now() + interval '30 seconds' WHERE schedule = 'looked'`,
        Effect.map(advance("looked", true), (answer) => void (started = answer.started)),
        () => Effect.void
      )
      assert.deepStrictEqual(started, [])
      assert.deepStrictEqual((yield* store.ticks("looked", 10)).map(({ outcome }) => outcome), ["skipped", null])
    }))

  it.effect("G11 renewals, looks and removals lock rows in one order, so none of them meets another in a deadlock", () =>
    Effect.gen(function*() {
      const store = yield* ScheduleStore
      const names = ["order.d", "order.c", "order.b", "order.a"]
      const claims: Array<Claim> = []
      for (const name of names) {
        yield* register(name)
        claims.push(...(yield* advance(name, true)).started)
      }
      // whoever waits for the first row holds none of the others
      yield* whileHeld(
        (sql) => sql`SELECT 1 FROM ostinato.tick WHERE schedule = 'order.a' FOR UPDATE`,
        store.renew(claims),
        (sql) => sql`SELECT 1 FROM ostinato.tick WHERE schedule = ANY(${names.slice(0, 3)}) FOR UPDATE NOWAIT`
      )
      yield* whileHeld(
        (sql) => sql`SELECT 1 FROM ostinato.schedule WHERE name = 'order.a' FOR UPDATE`,
        store.look(names, "1 hour"),
        (sql) => sql`SELECT 1 FROM ostinato.schedule WHERE name = ANY(${names.slice(0, 3)}) FOR UPDATE NOWAIT`
      )
      const sql = yield* PgClient.PgClient
      yield* sql`
        INSERT INTO ostinato.tick (schedule, tick) SELECT 'order.d', now() - n * interval '1 day'
        FROM generate_series(1, 4) n`
      yield* whileHeld(
        (sql) =>
          sql`SELECT 1 FROM ostinato.tick WHERE schedule = 'order.d' AND tick < now() - interval '3.5 days' FOR UPDATE`,
        store.remove("order.d"),
        (sql) =>
          sql`SELECT 1 FROM ostinato.tick WHERE schedule = 'order.d' AND tick > now() - interval '3.5 days' FOR UPDATE NOWAIT`
      )
    }))

  it.effect("S1.21 leases are kept, work begins and ends are written while the pool of user code is full", () =>
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      const store = yield* ScheduleStore
      yield* register("full")
      const { started: [claim] } = yield* advance("full", true)
      if (claim === undefined) return assert.fail("no claim")
      const full = yield* Deferred.make<void>()
      const over = yield* Deferred.make<void>()
      let held = 0
      const holding = yield* Effect.forkChild(Effect.all(
        Array.from({ length: 8 }, () =>
          sql.withTransaction(Effect.andThen(
            Effect.suspend(() => ++held === 8 ? Deferred.succeed(full, undefined) : Effect.void),
            Deferred.await(over)
          ))),
        { concurrency: "unbounded", discard: true }
      ))
      yield* Deferred.await(full)
      assert.isTrue(yield* store.begin(claim))
      assert.deepStrictEqual(yield* store.renew([claim]), { lost: [], stop: [] })
      yield* store.finish(claim, "completed", null)
      yield* Deferred.succeed(over, undefined)
      yield* Fiber.join(holding)
      assert.deepStrictEqual((yield* store.ticks("full", 10)).map(({ outcome }) => outcome), ["completed"])
    }))

  it.effect("the lease of a tick begins anew with its work", () =>
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      const store = yield* ScheduleStore
      yield* register("anew")
      const { started: [claim] } = yield* advance("anew", true)
      yield* sql`UPDATE ostinato.tick SET lease_until = now() + interval '1 second' WHERE schedule = 'anew'`
      assert.isTrue(claim !== undefined && (yield* store.begin(claim)))
      const [row] = yield* sql`
        SELECT lease_until > now() + interval '20 seconds' AS "isLong" FROM ostinato.tick WHERE schedule = 'anew'`
      assert.deepStrictEqual(row, { isLong: true })
    }))

  it.effect("a schedule that this version cannot read hides no other, and is told once", () => {
    const told: Array<string> = []
    const logger = Logger.make(({ message }) => void told.push(String(message)))
    return elsewhere(Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      const store = yield* ScheduleStore
      yield* register("read")
      yield* sql`
        INSERT INTO ostinato.schedule (name, task, timetable, policy) VALUES
          ('unread', 'suite.task', '{"_tag":"Lunar"}', '{"overlap":"skip","missed":"last","jitterMs":0}')`
      const names = (yield* store.list).map(({ name }) => name)
      const { schedules } = yield* store.look([], "1 minute")
      assert.include(names, "read")
      assert.notInclude(names, "unread")
      assert.deepStrictEqual(schedules.map(({ name }) => name), names)
      assert.deepStrictEqual(told.filter((line) => line.includes("schedule unread cannot be read")).length, 1)
      assert.isTrue(yield* store.remove("unread"))
    })).pipe(Effect.provide(Logger.layer([logger])))
  })

  it.effect("D.8 ended ticks are bounded by number and by age, as configured, and those that have not ended stay", () =>
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      yield* register("kept")
      // ended n days ago, one a day; two that have not ended
      yield* sql`
        INSERT INTO ostinato.tick (schedule, tick, finished_at, outcome)
        SELECT 'kept', now() - n * interval '1 day', now() - n * interval '1 day', 'completed'
        FROM generate_series(1, 120) n`
      yield* sql`
        INSERT INTO ostinato.tick (schedule, tick) SELECT 'kept', now() - n * interval '1 year' FROM generate_series(1, 2) n`
      const left = (retention?: Retention) =>
        Effect.gen(function*() {
          yield* elsewhere(advance("kept", true), { retention })
          const [counts] = yield* sql<{ ended: number; open: number }>`
            SELECT count(*) FILTER (WHERE outcome = 'completed')::int AS ended,
              count(*) FILTER (WHERE finished_at IS NULL)::int AS open
            FROM ostinato.tick WHERE schedule = 'kept'`
          return counts
        })
      // two wait, so each decision also adds one that is skipped
      assert.deepStrictEqual(yield* left(), { ended: 89, open: 2 })
      assert.deepStrictEqual(yield* left({ age: "30 days" }), { ended: 29, open: 2 })
      assert.deepStrictEqual(yield* left({ ticks: 10 }), { ended: 7, open: 2 })
    }))

  it.effect("a decision reads the rows of its own schedule, however many others there are", () =>
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      yield* sql`
        INSERT INTO ostinato.schedule (name, task, timetable, policy)
        SELECT 'many.' || n, 'suite.task', '{"_tag":"Every","everyMs":1000,"anchor":"fixed"}', '{}'
        FROM generate_series(1, 5000) n`
      yield* sql`
        INSERT INTO ostinato.tick (schedule, tick) SELECT 'many.' || n, now() FROM generate_series(1, 5000) n`
      yield* sql`ANALYZE ostinato.schedule, ostinato.tick`
      const plan = yield* sql<Record<string, string>>`EXPLAIN ${schedules(sql, sql("ostinato"), "many.7")}`
      const lines = plan.flatMap((row) => Object.values(row))
      assert.deepStrictEqual(lines.filter((line) => line.includes("Seq Scan")), [])
      assert.deepStrictEqual(lines.filter((line) => line.includes("Index Cond")).length, 2)
      yield* sql`DELETE FROM ostinato.schedule WHERE name LIKE 'many.%'`
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

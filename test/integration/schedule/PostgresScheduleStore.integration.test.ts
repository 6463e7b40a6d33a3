import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { plan } from "ostinato/schedule/PeriodicTask"
import { ScheduleStore } from "ostinato/schedule/ScheduleStore"
import * as PostgresScheduleStore from "ostinato/schedule/stores/Postgres"
import * as Timetable from "ostinato/schedule/Timetable"
import * as TestDatabase from "../../contract/TestDatabase.ts"

const fortnightly = { timetable: Timetable.every("2 weeks"), overlap: "skip", missed: "last" } as const

/** Another process that starts now. */
const elsewhere = <A, E>(work: Effect.Effect<A, E, ScheduleStore>, options?: { readonly exclusive: boolean }) =>
  Effect.provide(work, PostgresScheduleStore.layer(options))

const register = (name: string) =>
  Effect.flatMap(
    ScheduleStore,
    (store) => store.register({ name, task: "suite.task", timetable: fortnightly.timetable })
  )

const advance = (name: string, atStart = false) =>
  Effect.flatMap(ScheduleStore, (store) => store.advance(name, plan(fortnightly, atStart)))

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
      assert.deepStrictEqual((yield* elsewhere(Effect.andThen(register("o1"), advance("o1")))).fired, [])
      yield* age("o1", 5)
      const { fired } = yield* elsewhere(Effect.andThen(register("o1"), advance("o1")))
      const daysFromFirst = (fired[0]?.tick.epochMilliseconds ?? 0) - nextTick.epochMilliseconds
      assert.strictEqual(fired.length, 1)
      assert.strictEqual(daysFromFirst, -14 * 86_400_000)
      assert.deepStrictEqual((yield* advance("o1")).fired, [])
    }))

  it.effect("closes an open tick as abandoned when its lease ran out, and then fires again", () =>
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      const store = yield* ScheduleStore
      yield* register("lease")
      assert.strictEqual((yield* advance("lease", true)).fired.length, 1)
      assert.strictEqual((yield* elsewhere(advance("lease", true))).skipped, 1)
      yield* sql`UPDATE ostinato.tick SET lease_until = now() - interval '1 second' WHERE outcome IS NULL`
      assert.strictEqual((yield* elsewhere(advance("lease", true))).fired.length, 1)
      const outcomes = (yield* store.ticks("lease", 10)).map((tick) => tick.outcome)
      assert.deepStrictEqual(outcomes, [null, "skipped", "abandoned"])
    }))

  it.effect("closes at once what fired before a server that this process started, and leaves alone what fired since", () =>
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      yield* register("exclusive")
      assert.strictEqual((yield* advance("exclusive", true)).fired.length, 1)
      assert.strictEqual((yield* elsewhere(advance("exclusive", true), { exclusive: true })).skipped, 1)
      yield* sql`
        UPDATE ostinato.tick SET fired_at = pg_postmaster_start_time() - interval '1 second'
        WHERE schedule = 'exclusive'`
      assert.strictEqual((yield* elsewhere(advance("exclusive", true), { exclusive: true })).fired.length, 1)
    }))
})

/** Two instances in one process and one database. */
// @effect-diagnostics strictEffectProvide:off -- each instance is an application of its own
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import { CheckpointStore } from "ostinato/core/CheckpointStore"
import { RunLog } from "ostinato/core/RunLog"
import * as Supervisor from "ostinato/core/Supervisor"
import { NextRunId } from "ostinato/core/TaskRun"
import { ScheduleStore } from "ostinato/schedule/ScheduleStore"
import * as PostgresScheduleStore from "ostinato/schedule/stores/Postgres"
import * as Timetable from "ostinato/schedule/Timetable"
import { Database } from "ostinato/store/Database"
import * as DatabaseSchema from "ostinato/store/DatabaseSchema"
import * as Lease from "ostinato/store/Lease"
import * as Migration from "ostinato/store/Migration"
import { Notifier } from "ostinato/store/Notifier"
import * as PostgresCheckpointStore from "ostinato/store/PostgresCheckpointStore"
import * as PostgresRunLog from "ostinato/store/PostgresRunLog"
import * as TestDatabase from "../../contract/TestDatabase.ts"

const started = {
  trigger: { kind: "code" },
  origin: { tenant: null, actor: null },
  executor: "here",
  status: "running",
  payload: null,
  traceId: null
} as const

const lines = [
  PostgresRunLog.migrations,
  PostgresCheckpointStore.migrations,
  PostgresScheduleStore.migrations,
  Lease.migrations
]

/** All that the house keeps for one instance. */
const instance = (schema: string) =>
  Effect.gen(function*() {
    const { url } = yield* Database
    const stores = Layer.mergeAll(
      PostgresRunLog.layer(),
      PostgresCheckpointStore.layer(),
      PostgresScheduleStore.layer(),
      Lease.Lease.layer(),
      Notifier.layer()
    )
    return yield* Layer.build(
      stores.pipe(
        Layer.provide(Layer.effectDiscard(Effect.forEach(lines, Migration.run))),
        Layer.provide([Database.layer({ url, directory: "/nonexistent", schema }), Supervisor.layer])
      )
    )
  })

const schedule = (name: string) => ({
  name,
  task: "same",
  timetable: Timetable.every("1 hour"),
  policy: { overlap: "skip", missed: "last", jitterMs: 0 } as const,
  source: "code" as const,
  tenant: null,
  payload: null
})

/** Writes the same names everywhere, with values of its own. */
const write = (mine: number) =>
  Effect.gen(function*() {
    const log = yield* RunLog
    const id = yield* Effect.flatten(NextRunId)
    yield* log.begin({ id, task: "same", ...started })
    yield* (yield* CheckpointStore).save("place", mine)
    yield* (yield* ScheduleStore).register(schedule(`schedule ${mine}`))
    const claim = yield* (yield* Lease.Lease).acquire("leader")
    return { id, leads: Option.isSome(claim) }
  })

const read = Effect.gen(function*() {
  const runs = yield* (yield* RunLog).list({})
  const schedules = yield* (yield* ScheduleStore).list
  return {
    runs: runs.map(({ id }) => id),
    place: Option.getOrNull(yield* (yield* CheckpointStore).load("place")),
    schedules: schedules.map(({ name }) => name),
    carrier: (yield* Notifier).carrier
  }
})

layer(TestDatabase.layer(), { excludeTestServices: true, timeout: 60_000 })("schema", (it) => {
  it.effect("D.5 two instances with two schemas in one process and one database do not see each other", () =>
    Effect.gen(function*() {
      const both = [yield* instance("first"), yield* instance("second")]
      const written = yield* Effect.forEach(both, (services, index) => Effect.provideContext(write(index), services))
      assert.deepStrictEqual(written.map(({ leads }) => leads), [true, true])
      // the schema of whoever calls does not count: a store keeps the one that it was built with
      const seen = yield* Effect.forEach(both, (services) => Effect.provideContext(read, services)).pipe(
        Effect.provideService(DatabaseSchema.DatabaseSchema, "nowhere")
      )
      assert.deepStrictEqual<unknown>(
        seen,
        written.map(({ id }, index) => ({
          runs: [id],
          place: index,
          schedules: [`schedule ${index}`],
          carrier: ["first", "second"][index]
        }))
      )
    }))

  it.effect("D.5 a name that cannot be that of a schema is refused before anything is asked, with exit code 78", () =>
    Effect.gen(function*() {
      const { url } = yield* Database
      for (const name of ["", "A", "1a", "pg_own", "a.b", "a\"; DROP SCHEMA ostinato; --", "a".repeat(49)]) {
        const error = yield* Effect.flip(
          Layer.build(Database.layer({ url, directory: "/nonexistent", schema: name }))
        )
        assert.strictEqual(error._tag, "SchemaNameInvalid")
        assert.strictEqual(Runtime.getErrorExitCode(error), 78)
        yield* Effect.flip(Layer.build(DatabaseSchema.layer(name)))
      }
      assert.strictEqual(yield* DatabaseSchema.DatabaseSchema, "ostinato")
    }))
})

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
import { Database } from "ostinato/store/Database"
import * as DatabaseSchema from "ostinato/store/DatabaseSchema"
import * as Migration from "ostinato/store/Migration"
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

/** The stores of one instance. */
const instance = (schema: string) =>
  Effect.gen(function*() {
    const { url } = yield* Database
    const migrated = Layer.effectDiscard(
      Effect.forEach([PostgresRunLog.migrations, PostgresCheckpointStore.migrations], Migration.run)
    )
    return yield* Layer.build(
      Layer.merge(PostgresRunLog.layer(), PostgresCheckpointStore.layer()).pipe(
        Layer.provide(migrated),
        Layer.provide([Database.layer({ url, directory: "/nonexistent", schema }), Supervisor.layer])
      )
    )
  })

layer(TestDatabase.layer(), { excludeTestServices: true, timeout: 60_000 })("schema", (it) => {
  it.effect("D.5 two instances with two schemas in one process and one database do not see each other", () =>
    Effect.gen(function*() {
      const both = [yield* instance("first"), yield* instance("second")] as const
      const mine = yield* Effect.forEach(both, (services, index) =>
        Effect.provideContext(
          Effect.gen(function*() {
            const log = yield* RunLog
            const checkpoints = yield* CheckpointStore
            const id = yield* Effect.flatten(NextRunId)
            yield* log.begin({ id, task: "same", ...started })
            yield* checkpoints.save("place", index)
            return id
          }),
          services
        ))
      // the schema of whoever calls does not count: a store keeps the one that it was built with
      const seen = yield* Effect.forEach(both, (services) =>
        Effect.provideContext(
          Effect.gen(function*() {
            const log = yield* RunLog
            const checkpoints = yield* CheckpointStore
            const runs = yield* log.list({})
            return [runs.map(({ id }) => id), Option.getOrNull(yield* checkpoints.load("place"))]
          }),
          services
        ).pipe(Effect.provideService(DatabaseSchema.DatabaseSchema, "nowhere")))
      assert.deepStrictEqual<unknown>(seen, mine.map((id, index) => [[id], index]))
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

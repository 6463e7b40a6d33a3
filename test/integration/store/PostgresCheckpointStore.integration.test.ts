import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as CheckpointStore from "ostinato/core/CheckpointStore"
import * as Supervisor from "ostinato/core/Supervisor"
import { Database } from "ostinato/store/Database"
import * as PostgresCheckpointStore from "ostinato/store/PostgresCheckpointStore"
import * as TestDatabase from "../../contract/TestDatabase.ts"
import { handle, items } from "./handled.ts"
import { readJson, start } from "./program.ts"

layer(
  PostgresCheckpointStore.layer().pipe(
    Layer.provide(Supervisor.layer),
    Layer.provideMerge(TestDatabase.layer(PostgresCheckpointStore.migrations))
  ),
  { excludeTestServices: true }
)("PostgresCheckpointStore", (it) => {
  it.effect("S1.31 work whose process was killed continues at its checkpoint: nothing is lost, and only the open chunk is repeated", () =>
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      const { url } = yield* Database
      yield* sql`CREATE TABLE handled (item int NOT NULL)`
      const chunker = yield* start("./chunker.ts", [Redacted.value(url)])
      for (const first of [0, 10, 20]) {
        assert.deepStrictEqual(yield* readJson(chunker), { first })
        yield* chunker.send("on")
      }
      // the chunk at 30 is handled, and its checkpoint is not saved
      assert.deepStrictEqual(yield* readJson(chunker), { first: 30 })
      process.kill(chunker.pid, "SIGKILL")
      yield* chunker.exited

      const resumed: Array<number> = []
      const checkpoint = yield* CheckpointStore.at("chunker")
      assert.deepStrictEqual(yield* checkpoint.load, Option.some({ done: 30 }))
      yield* handle(checkpoint, (first) => Effect.sync(() => resumed.push(first)))
      assert.deepStrictEqual(resumed, [30, 40, 50, 60, 70, 80, 90])
      const counts = yield* sql<{ item: number; times: number }>`
        SELECT item, count(*)::int AS times FROM handled GROUP BY item ORDER BY item`
      assert.deepStrictEqual(counts, items.map((item) => ({ item, times: item >= 30 && item < 40 ? 2 : 1 })))
      assert.deepStrictEqual(yield* checkpoint.load, Option.none())
    }))

  it.effect("a checkpoint saved in a transaction that rolls back was never saved", () =>
    Effect.gen(function*() {
      const checkpoint = yield* CheckpointStore.at("rolled back")
      yield* checkpoint.save({ done: 1 })
      yield* Effect.flip(Database.transaction(Effect.andThen(checkpoint.save({ done: 2 }), Effect.fail("undo"))))
      assert.deepStrictEqual(yield* checkpoint.load, Option.some({ done: 1 }))
    }))
})

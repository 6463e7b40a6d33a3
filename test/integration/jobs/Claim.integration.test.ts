import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { end, failure, job, layer as store, logLine, member, Store } from "./jobs.ts"

layer(store, { excludeTestServices: true })("claims of the Postgres store", (it) => {
  it.effect("a claim takes at most its limit, in order, counts epoch and attempt, and leaves the rest to others", () =>
    Effect.gen(function*() {
      const { claim, enqueue, finish } = yield* Store
      const late = yield* enqueue([job({ queue: "order", priority: 5 }), job({ queue: "order", priority: 5 })])
      const early = yield* enqueue(Array.from({ length: 4 }, () => job({ queue: "order" })))
      const a = yield* member()
      const b = yield* member()
      const first = yield* claim(a, "order", 5)
      const second = yield* claim(b, "order", 5)
      assert.deepStrictEqual(first.map(({ id }) => id), [...early, late[0]!].map(({ id }) => id))
      assert.deepStrictEqual(second.map(({ id }) => id), [late[1]!.id])
      assert.isTrue(
        first.every(({ attempt, epoch, lost, task }) =>
          attempt === 1 && epoch === 1 && lost === 0 && task === "test.task"
        )
      )
      assert.strictEqual((yield* finish(a, first.map((claimed) => end(claimed)))).size, 0)
      assert.strictEqual(
        (yield* finish(b, second.map((claimed) => end(claimed, { output: 1, logs: [logLine("x")] })))).size,
        0
      )
      const sql = yield* PgClient.PgClient
      assert.deepStrictEqual(
        yield* sql`select (select count(*) from ostinato.ready)::int as left, (select count(*) from ostinato.done)::int as done, (select count(*)::int from ostinato.job_log) as logs`,
        [{ left: 0, done: 6, logs: 1 }]
      )
      assert.strictEqual(
        (yield* finish(a, first.map((claimed) => end(claimed, { failure: failure("x"), outcome: "discarded" })))).size,
        0
      )
    }))
})

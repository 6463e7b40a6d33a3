/** An enqueue that carries a claim along keeps no worker's room while it waits for something. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { NewJob } from "ostinato/jobs/JobStore"
import { job, layer as store, member, Store, unique } from "./jobs.ts"

/** Whoever stands by for a queue: how often it was asked, and how often it was answered. */
const standingBy = Effect.fnUntraced(function*(queue: string) {
  const { standby } = yield* Store
  const worker = yield* member()
  const counts = { asked: 0, answered: 0 }
  yield* standby(queue, (limit) => {
    counts.asked += 1
    return { member: worker, limit, answer: () => void (counts.answered += 1) }
  })
  return counts
})

/** Until it holds; what it needs takes turns of this process and of the server. */
const until = (holds: () => boolean) =>
  Effect.flatMap(PgClient.PgClient, (sql) => Effect.repeat(sql`SELECT 1`, { until: holds })).pipe(
    Effect.timeout("5 seconds")
  )

layer(store, { excludeTestServices: true, timeout: 60_000 })("a claim that is carried along", (it) => {
  const held = (what: string, wanted: NewJob) =>
    it.effect(`gives the room back when ${what} is locked by a transaction that stays open`, () =>
      Effect.gen(function*() {
        const { configure, enqueue, transaction } = yield* Store
        if (wanted.unique === null) yield* configure(wanted.queue, { fair: true })
        const counts = yield* standingBy(wanted.queue)
        const locked = yield* Deferred.make<void>()
        const ended = yield* Deferred.make<void>()
        const open = yield* Effect.forkChild(
          transaction(
            Effect.andThen(enqueue([wanted]), Effect.andThen(Deferred.succeed(locked, void 0), Deferred.await(ended)))
          )
        )
        yield* Deferred.await(locked)
        const waits = yield* Effect.forkChild(enqueue([wanted]))
        yield* until(() => counts.answered === 1)
        assert.isUndefined(waits.pollUnsafe())
        yield* Deferred.succeed(ended, void 0)
        yield* Fiber.join(open)
        const [answer] = yield* Fiber.join(waits)
        assert.strictEqual(answer?.duplicate, wanted.unique !== null)
        assert.deepStrictEqual(counts, { asked: 1, answered: 1 })
      }))
  held("the key", job({ queue: "locked key", unique: unique("locked key") }))
  held("the tenant of a fair queue", job({ queue: "locked tenant", tenant: "acme" }))

  it.effect("is asked for only when there is a connection for it", () =>
    Effect.gen(function*() {
      const { enqueue, get } = yield* Store
      const sql = yield* PgClient.PgClient
      const [first] = yield* enqueue([job({ queue: "no connection" })])
      const counts = yield* standingBy("no connection")
      const ended = yield* Deferred.make<void>()
      let begun = 0
      const held = Effect.andThen(Effect.sync(() => void (begun += 1)), Deferred.await(ended))
      const all = yield* Effect.forkChild(
        Effect.forEach(Array.from({ length: 8 }), () => sql.withTransaction(held), { concurrency: "unbounded" })
      )
      const turn = get(first!.id)
      yield* Effect.repeat(turn, { until: () => begun === 8 })
      const waits = yield* Effect.forkChild(enqueue([job({ queue: "no connection" })]))
      for (let turns = 0; turns < 20; turns++) yield* turn
      assert.deepStrictEqual(counts, { asked: 0, answered: 0 })
      yield* Deferred.succeed(ended, void 0)
      yield* Fiber.join(all)
      yield* Fiber.join(waits)
      assert.deepStrictEqual(counts, { asked: 1, answered: 1 })
    }))
})

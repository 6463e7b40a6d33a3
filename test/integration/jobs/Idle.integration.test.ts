/** What nobody uses any more, and what waits for nothing: upkeep takes away the one and frees the other, and no more. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import { ControlSql } from "ostinato/store/ControlSql"
import { end, job, layer as store, member, Store } from "./jobs.ts"

const keysOf = (name: string) =>
  Effect.flatMap(PgClient.PgClient, (sql) =>
    Effect.map(
      sql<{ key: string }>`SELECT key FROM ostinato.limit_key
        WHERE limit_id = (SELECT id FROM ostinato.limits WHERE name = ${name}) ORDER BY key`,
      (rows) => rows.map(({ key }) => key)
    ))

const tenantsOf = (queue: string) =>
  Effect.flatMap(PgClient.PgClient, (sql) =>
    Effect.map(
      sql<{ tenant: string }>`SELECT tenant FROM ostinato.fair_tenant
        WHERE queue_id = (SELECT id FROM ostinato.queue WHERE name = ${queue}) ORDER BY tenant`,
      (rows) => rows.map(({ tenant }) => tenant)
    ))

layer(store, { excludeTestServices: true, timeout: 60_000 })("idle rows", (it) => {
  it.effect("keys of limits go when no permit is out and the rate is whole again, a thousand at a time", () =>
    Effect.gen(function*() {
      const { claim, enqueue, finish, limits, prune } = yield* Store
      const worker = yield* member()
      yield* limits.set({ name: "per key", permits: 1, rate: null })
      yield* limits.set({ name: "per hour", permits: null, rate: { units: 1, perMs: 3_600_000, burst: 1 } })
      const keyed = (key: string) => job({ queue: "idle", limit: { name: "per key", key, strict: false } })
      yield* enqueue([keyed("busy"), keyed("done")])
      const claimed = yield* claim(worker, "idle", 9)
      yield* finish(worker, [end(claimed[1]!)])
      yield* limits.take("per hour", "drained", 1)
      yield* limits.take("per hour", "over", 1)
      const sql = yield* PgClient.PgClient
      yield* sql`UPDATE ostinato.limit_key SET tat = now() - interval '1 second' WHERE key = 'over'`
      yield* sql`INSERT INTO ostinato.limit_key (limit_id, key)
        SELECT (SELECT id FROM ostinato.limits WHERE name = 'per key'), 'many ' || n FROM generate_series(1, 2500) n`
      yield* prune({})
      assert.deepStrictEqual(yield* keysOf("per key"), ["busy"])
      assert.deepStrictEqual(yield* keysOf("per hour"), ["drained"])
      // a key that was forgotten is as good as one that is new
      yield* enqueue([keyed("done"), keyed("done"), keyed("busy")])
      assert.deepStrictEqual((yield* claim(worker, "idle", 9)).length, 1)
    }))

  it.effect("a key that is being let in at the moment stays, and its permits hold", () =>
    Effect.gen(function*() {
      const { claim, enqueue, limits, prune } = yield* Store
      const control = yield* ControlSql
      const worker = yield* member()
      yield* limits.set({ name: "raced", permits: 1, rate: null })
      const [held, release] = [yield* Latch.make(), yield* Latch.make()]
      const admitting = yield* Effect.forkChild(control.withTransaction(Effect.gen(function*() {
        // as `admit` does before it counts permits
        yield* control`INSERT INTO ostinato.limit_key (limit_id, key)
          SELECT id, 'k' FROM ostinato.limits WHERE name = 'raced' ON CONFLICT DO NOTHING`
        yield* control`SELECT FROM ostinato.limit_key WHERE key = 'k' FOR UPDATE`
        yield* held.open
        yield* release.await
      })))
      yield* held.await
      yield* prune({})
      yield* release.open
      yield* Fiber.join(admitting)
      assert.deepStrictEqual(yield* keysOf("raced"), ["k"])
      const raced = () => job({ queue: "raced", limit: { name: "raced", key: "k", strict: false } })
      yield* Effect.all([
        Effect.forEach(Array.from({ length: 20 }), () => enqueue([raced()]), { concurrency: 4 }),
        Effect.repeat(prune({}), { times: 5 })
      ], { concurrency: 2 })
      assert.lengthOf(yield* claim(worker, "raced", 99), 1)
    }))

  it.effect("tenants go once nothing of theirs is ahead of the queue's own time; one with a weight stays", () =>
    Effect.gen(function*() {
      const { claim, configure, enqueue, prune } = yield* Store
      const worker = yield* member()
      const queue = "turns"
      yield* configure(queue, { fair: true })
      yield* enqueue(["a", "b", "c"].map((tenant) => job({ queue, tenant })))
      yield* enqueue([job({ queue, tenant: "a" })])
      yield* prune({})
      assert.deepStrictEqual(yield* tenantsOf(queue), ["a", "b", "c"])
      assert.lengthOf(yield* claim(worker, queue, 9), 4)
      const sql = yield* PgClient.PgClient
      yield* sql`UPDATE ostinato.fair_tenant SET weight = 3 WHERE tenant = 'c'`
      yield* prune({})
      assert.deepStrictEqual(yield* tenantsOf(queue), ["c"])
      // who comes now has neither a turn to make up for nor one to give
      yield* enqueue(["b", "a", "b", "a"].map((tenant) => job({ queue, tenant, payload: tenant })))
      const order = (yield* claim(worker, queue, 9)).map(({ payload }) => payload)
      assert.sameMembers(order.slice(0, 2), ["a", "b"])
      assert.sameMembers(order.slice(2), ["a", "b"])
    }))

  it.effect("a waiting row of a state that nobody knows cannot be stored, and one that waits for nothing goes on", () =>
    Effect.gen(function*() {
      const { claim, enqueue, getMany, promote, prune } = yield* Store
      const worker = yield* member()
      const sql = yield* PgClient.PgClient
      const later = { queue: "strays", delayMs: 3_600_000 }
      const [unknown, limitless, orphan] = yield* enqueue([job(later), job(later), job(later)])
      const refused = yield* Effect.flip(
        sql`UPDATE ostinato.later SET state = 'q' WHERE job_id = ${unknown!.id}::bigint`
      )
      assert.match(String(refused.reason.cause), /violates check constraint/)
      yield* sql`UPDATE ostinato.later SET state = 'p', limit_id = 999999, limit_key = '', run_at = now()
        WHERE job_id = ${limitless!.id}::bigint`
      yield* sql`UPDATE ostinato.later SET state = 'w', waits = 2, run_at = now() WHERE job_id = ${orphan!.id}::bigint`
      const [, child] = yield* enqueue([
        job({ queue: "strays parents" }),
        job({ queue: "strays", after: [{ parent: 0, on: "any" }] })
      ])
      yield* prune({})
      yield* promote(100)
      const ran = (yield* claim(worker, "strays", 9)).map(({ id }) => id)
      assert.sameMembers(ran, [limitless!.id, orphan!.id])
      const waiting = yield* getMany([unknown!.id, child!.id])
      assert.deepStrictEqual(waiting.map(({ state }) => state), ["pending", "scheduled"])
    }))
})

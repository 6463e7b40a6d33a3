/** Claims on a real server: in order, each job once, and only for the living. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { ControlSql } from "ostinato/store/ControlSql"
import { Database } from "ostinato/store/Database"
import { end, job, layer as store, member, Store } from "./jobs.ts"

const ids = (jobs: ReadonlyArray<{ readonly id: string }>) => jobs.map(({ id }) => id)

const payloads = (jobs: ReadonlyArray<{ readonly payload: unknown }>) => jobs.map(({ payload }) => payload)

layer(store, { excludeTestServices: true })("claims", (it) => {
  it.effect("a claim takes at most its limit, in order, counts epoch and attempt, and leaves the rest to others", () =>
    Effect.gen(function*() {
      const { claim, enqueue } = yield* Store
      const late = yield* enqueue([job({ queue: "order", priority: 5 }), job({ queue: "order", priority: 5 })])
      const early = yield* enqueue(Array.from({ length: 4 }, () => job({ queue: "order" })))
      const a = yield* member()
      const b = yield* member()
      const first = yield* claim(a, "order", 5)
      const second = yield* claim(b, "order", 5)
      assert.deepStrictEqual(ids(first), ids([...early, late[0]!]))
      assert.deepStrictEqual(ids(second), [late[1]!.id])
      assert.isTrue(
        first.every(({ attempt, epoch, lost, task }) =>
          attempt === 1 && epoch === 1 && lost === 0 && task === "test.task"
        )
      )
      assert.deepStrictEqual(yield* claim(a, "order", 0), [])
      assert.deepStrictEqual(yield* claim(a, "nobody ever used it", 9), [])
    }))

  it.effect("four claimers take each of 4,000 jobs exactly once", () =>
    Effect.gen(function*() {
      const { claim, enqueue, finish } = yield* Store
      yield* enqueue(Array.from({ length: 4000 }, () => job({ queue: "many" })))
      const claimer = Effect.gen(function*() {
        const worker = yield* member()
        const taken: Array<string> = []
        while (true) {
          const jobs = yield* claim(worker, "many", 97)
          if (jobs.length === 0) return taken
          taken.push(...ids(jobs))
          assert.strictEqual((yield* finish(worker, jobs.map((claimed) => end(claimed)))).size, 0)
        }
      })
      const taken = (yield* Effect.all([claimer, claimer, claimer, claimer], { concurrency: 4 })).flat()
      assert.deepStrictEqual([taken.length, new Set(taken).size], [4000, 4000])
    }))

  it.effect("G6 a worker that is dead or unknown claims nothing, nor does anybody from a paused queue", () =>
    Effect.gen(function*() {
      const { claim, enqueue } = yield* Store
      const sql = yield* PgClient.PgClient
      yield* enqueue([job({ queue: "dead" })])
      const expired = yield* member("expired", -1)
      assert.deepStrictEqual(yield* claim(expired, "dead", 9), [])
      assert.deepStrictEqual(yield* claim({ ...expired, id: 1_000_000 }, "dead", 9), [])
      const living = yield* member()
      yield* sql`UPDATE ostinato.queue SET paused_at = now() WHERE name = 'dead'`
      assert.deepStrictEqual(yield* claim(living, "dead", 9), [])
      yield* sql`UPDATE ostinato.queue SET paused_at = NULL WHERE name = 'dead'`
      assert.strictEqual((yield* claim(living, "dead", 9)).length, 1)
    }))

  it.effect("G6 a worker that runs out of its lease in the middle of a claim is not rescued before that has committed", () =>
    Effect.gen(function*() {
      const { enqueue } = yield* Store
      const sql = yield* PgClient.PgClient
      yield* enqueue([job({ queue: "flight" })])
      const worker = yield* member()
      const house = yield* ControlSql
      const dead = (sql: PgClient.PgClient) =>
        sql<{ id: number }>`
        SELECT id FROM ostinato.worker WHERE expires_at < now() ORDER BY id FOR UPDATE SKIP LOCKED`
      const claiming = Database.transaction(Effect.gen(function*() {
        const [row] = yield* sql<{ n: number }>`
          SELECT count(*)::int AS n
          FROM ostinato.claim((SELECT id FROM ostinato.queue WHERE name = 'flight'), 9, ${worker.id}, (-32768)::smallint, -1, -1)`
        // the lease runs out while the claim has not committed; a beat may come in all the same
        yield* Effect.asVoid(house`
          UPDATE ostinato.worker SET expires_at = now() - interval '1 second' WHERE id = ${worker.id}`)
        assert.notInclude((yield* dead(house)).map(({ id }) => id), worker.id)
        return row!.n
      }))
      assert.strictEqual(yield* claiming, 1)
      assert.include((yield* dead(sql)).map(({ id }) => id), worker.id)
    }))

  it.effect("what comes before the cursor is found when a claim is not filled, and after a second at the latest", () =>
    Effect.gen(function*() {
      const { claim, enqueue, handBack } = yield* Store
      const worker = yield* member()
      const first = yield* enqueue(Array.from({ length: 4 }, () => job({ queue: "cursor" })))
      const taken = yield* claim(worker, "cursor", 2)
      assert.deepStrictEqual(ids(taken), ids(first.slice(0, 2)))
      // a better priority from this process is known at once
      const [better] = yield* enqueue([job({ queue: "cursor", priority: -1 })])
      assert.deepStrictEqual(ids(yield* claim(worker, "cursor", 1)), [better!.id])
      assert.deepStrictEqual(ids(yield* claim(worker, "cursor", 1)), [first[2]!.id])
      // given back by another process, which nobody here was told of
      const sql = yield* PgClient.PgClient
      yield* sql`UPDATE ostinato.ready SET worker_id = NULL WHERE job_id = ${taken[0]!.id}::bigint`
      assert.deepStrictEqual(ids(yield* claim(worker, "cursor", 1)), [first[3]!.id])
      assert.deepStrictEqual(ids(yield* claim(worker, "cursor", 1)), [taken[0]!.id])
      yield* handBack(worker, [taken[1]!])
      assert.deepStrictEqual(ids(yield* claim(worker, "cursor", 1)), [taken[1]!.id])
      assert.deepStrictEqual(yield* claim(worker, "cursor", 1), [])
    }))

  it.effect("S2.91 lower numbers go first; with ageing, only before those that have waited less than the difference", () =>
    Effect.gen(function*() {
      const { claim, enqueue } = yield* Store
      const sql = yield* PgClient.PgClient
      const worker = yield* member()
      const names = ["strict", "ageing"]
      for (const queue of names) {
        yield* enqueue([job({ queue })])
        yield* claim(worker, queue, 1)
      }
      // ten seconds for each step of priority
      yield* sql`UPDATE ostinato.queue SET ageing_ms = 10000 WHERE name = 'ageing'`
      for (const queue of names) {
        yield* enqueue([job({ queue, priority: 3, payload: "old and low" })])
        // as if it had come 25 s ago
        yield* sql`UPDATE ostinato.ready SET ord = ord - (25000::bigint << 20) WHERE worker_id IS NULL AND queue_id = (
          SELECT id FROM ostinato.queue WHERE name = ${queue})`
        yield* sql`UPDATE ostinato.job j SET ord = r.ord FROM ostinato.ready r WHERE r.job_id = j.id`
        yield* enqueue([job({ queue, priority: 2, payload: "newer by more than a step" })])
        yield* enqueue([job({ queue, payload: "new and high" })])
      }
      assert.deepStrictEqual(payloads(yield* claim(worker, "strict", 9)), [
        "new and high",
        "newer by more than a step",
        "old and low"
      ])
      assert.deepStrictEqual(payloads(yield* claim(worker, "ageing", 9)), [
        "new and high",
        "old and low",
        "newer by more than a step"
      ])
      assert.deepStrictEqual(
        yield* sql`SELECT priority FROM ostinato.jobs WHERE queue = 'ageing' ORDER BY id`,
        [{ priority: 0 }, { priority: 3 }, { priority: 2 }, { priority: 0 }]
      )
      // nothing starves: a low one is before whatever is enqueued half a minute later
      const bound = yield* enqueue([job({ queue: "ageing", priority: 3, payload: "low" })])
      yield* sql`SELECT setval('ostinato.job_seq', nextval('ostinato.job_seq'))`
      const [row] = yield* sql<{ before: boolean }>`
        SELECT ord < (${bound[0]!.id}::bigint + (31000::bigint << 20)) AS before FROM ostinato.ready
        WHERE job_id = ${bound[0]!.id}::bigint`
      assert.isTrue(row!.before)
    }))

  it.effect("in a fair queue a tenant with few jobs takes turns with one who has thousands", () =>
    Effect.gen(function*() {
      const { claim, enqueue, finish } = yield* Store
      const sql = yield* PgClient.PgClient
      const worker = yield* member()
      const queue = "fair"
      yield* enqueue([job({ queue })])
      const [first] = yield* claim(worker, queue, 1)
      yield* finish(worker, [end(first!)])
      yield* sql`UPDATE ostinato.queue SET fair = true WHERE name = ${queue}`
      yield* enqueue(Array.from({ length: 1000 }, () => job({ queue, tenant: "big", payload: "big" })))
      for (let n = 0; n < 10; n++) yield* claim(worker, queue, 1)
      // told ten times a second at most
      yield* sql`UPDATE ostinato.fair_clock SET vt = greatest(vt, 9000)`
      yield* enqueue(Array.from({ length: 5 }, () => job({ queue, tenant: "small", payload: "small" })))
      const turns = payloads(yield* claim(worker, queue, 12))
      assert.strictEqual(turns.filter((payload) => payload === "small").length, 5)
      assert.isTrue(turns.slice(0, 9).filter((payload) => payload === "big").length >= 4, turns.join())
      const jobs = yield* claim(worker, queue, 3)
      assert.strictEqual((yield* finish(worker, jobs.map((claimed) => end(claimed)))).size, 0)
      // who weighs more gets more
      yield* sql`INSERT INTO ostinato.fair_tenant (queue_id, tenant, weight, vt)
        SELECT id, 'heavy', 3, 0 FROM ostinato.queue WHERE name = ${queue}`
      yield* enqueue(Array.from({ length: 30 }, () => job({ queue, tenant: "heavy", payload: "heavy" })))
      const heavy = payloads(yield* claim(worker, queue, 20)).filter((payload) => payload === "heavy").length
      assert.isTrue(heavy >= 14, String(heavy))
    }))
})

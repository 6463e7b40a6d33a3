/** Jobs into a real database: all or none, an answer for each, and nobody fails for another. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as JobQueue from "ostinato/jobs/JobQueue"
import { Database } from "ostinato/store/Database"
import { job, layer as store, member, Store, unique } from "./jobs.ts"

const counts = Effect.flatMap(PgClient.PgClient, (sql) =>
  Effect.map(
    sql<{ job: number; ready: number; later: number; uniq: number; edge: number }>`
      SELECT (SELECT count(*)::int FROM ostinato.job) AS job, (SELECT count(*)::int FROM ostinato.ready) AS ready,
        (SELECT count(*)::int FROM ostinato.later) AS later, (SELECT count(*)::int FROM ostinato.uniq) AS uniq,
        (SELECT count(*)::int FROM ostinato.edge) AS edge`,
    ([row]) => row!
  ))

layer(store, { excludeTestServices: true })("enqueue", (it) => {
  it.effect("G3 a transaction that rolls back leaves nothing of the jobs enqueued in it", () =>
    Effect.gen(function*() {
      const { enqueue } = yield* Store
      const sql = yield* PgClient.PgClient
      yield* enqueue([job({ queue: "rollback" })])
      const before = yield* counts
      const work = enqueue([
        job({ queue: "rollback" }),
        job({ queue: "rollback", unique: unique("rollback") }),
        job({ queue: "rollback", delayMs: 60_000 }),
        job({ queue: "rollback", after: [{ parent: 0, on: "completed" }] }),
        job({ queue: "rollback", limit: { name: "order", key: "a", strict: true } })
      ])
      yield* Effect.exit(sql.withTransaction(Effect.andThen(work, Effect.fail("no"))))
      assert.deepStrictEqual(yield* counts, before)
      yield* Database.transaction(work)
      assert.deepStrictEqual(yield* counts, {
        job: before.job + 5,
        ready: before.ready + 3,
        later: before.later + 2,
        uniq: before.uniq + 1,
        edge: before.edge + 1
      })
    }))

  it.effect("the ids of a call ascend where the sequence begins a new round, and leave bit 19 to callers", () =>
    Effect.gen(function*() {
      const { enqueue } = yield* Store
      const sql = yield* PgClient.PgClient
      for (const keyed of [false, true]) {
        yield* sql`SELECT setval('ostinato.job_seq', (1 << 16) - 2)`
        const jobs = Array.from(
          { length: 20 },
          (_, n) => job({ queue: "round", unique: keyed ? unique(`round ${n}`) : null })
        )
        const ids = (yield* enqueue(jobs)).map(({ id }) => BigInt(id))
        assert.deepStrictEqual(ids, ids.toSorted((a, b) => a < b ? -1 : 1))
        assert.strictEqual(new Set(ids).size, 20)
        assert.isTrue(ids.every((id) => (id & (1n << 19n)) === 0n))
      }
    }))

  it.effect("no id is given twice, however many are given at once", () =>
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      const [row] = yield* sql`
        SELECT count(*)::int AS ids, count(DISTINCT id)::int AS different, bool_and(id > before)::boolean AS ascending
        FROM (SELECT id, lag(id, 1, 0::bigint) OVER (ORDER BY n) AS before
          FROM unnest(ostinato.new_ids(600000)) WITH ORDINALITY AS t(id, n)) t`
      assert.deepStrictEqual(row, { ids: 600_000, different: 600_000, ascending: true })
    }))

  it.effect(
    "50,000 jobs go in with one call, with an answer for each in the order of the call",
    () =>
      Effect.gen(function*() {
        const { enqueue } = yield* Store
        const sql = yield* PgClient.PgClient
        const many = 50_000
        const answers = yield* enqueue(Array.from({ length: many }, (_, n) => job({ queue: "many", payload: { n } })))
        const rows = yield* sql<{ id: string; n: number }>`
        SELECT j.id::text, (j.args ->> 'n')::int AS n FROM ostinato.job j JOIN ostinato.queue q ON q.id = j.queue_id
        WHERE q.name = 'many' ORDER BY n`
        assert.strictEqual(rows.length, many)
        assert.isTrue(answers.every(({ duplicate, id }, n) => !duplicate && rows[n]!.id === id && rows[n]!.n === n))
        const again = yield* enqueue(
          Array.from({ length: many }, (_, n) => job({ queue: "keyed", unique: unique(`bulk ${n % 40_000}`) }))
        )
        assert.strictEqual(again.filter(({ duplicate }) => duplicate).length, 10_000)
        assert.isTrue(again.slice(40_000).every(({ duplicate, id }, n) => duplicate && again[n]!.id === id))
      }),
    60_000
  )

  it.effect("callers at the same moment get their own answers, and what one of them did wrong is his alone", () =>
    Effect.gen(function*() {
      const { enqueue } = yield* Store
      const calls = Array.from({ length: 200 }, (_, n) =>
        Effect.result(enqueue([
          job({ queue: "crowd", payload: { n } }),
          // no smallint: the whole statement fails
          job({ queue: "crowd", payload: { n }, priority: n % 50 === 7 ? 40_000 : 0 })
        ])))
      const answers = yield* Effect.all(calls, { concurrency: "unbounded" })
      answers.forEach((answer, n) => assert.strictEqual(Result.isSuccess(answer), n % 50 !== 7, String(n)))
      const ids = answers.flatMap((answer) => Result.isSuccess(answer) ? answer.success.map(({ id }) => id) : [])
      assert.strictEqual(new Set(ids).size, 2 * 196)
      const sql = yield* PgClient.PgClient
      const rows = yield* sql<{ id: string; n: number }>`
        SELECT j.id::text, (j.args ->> 'n')::int AS n FROM ostinato.job j JOIN ostinato.queue q ON q.id = j.queue_id
        WHERE q.name = 'crowd'`
      const payloads = new Map(rows.map(({ id, n }) => [id, n]))
      answers.forEach((answer, n) => {
        if (Result.isFailure(answer)) return assert.strictEqual(answer.failure._tag, "JobStoreUnavailable")
        answer.success.forEach(({ id }) => assert.strictEqual(payloads.get(id), n))
      })
      assert.strictEqual(rows.length, 2 * 196)
    }))

  it.effect("a job with an id that is there already makes no second one, alone and in the company of others", () =>
    Effect.gen(function*() {
      const { enqueue } = yield* Store
      const id = yield* JobQueue.newId
      assert.deepStrictEqual(yield* enqueue([job({ queue: "ids", id, payload: 1 })]), [{ id, duplicate: false }])
      const answers = yield* enqueue([
        job({ queue: "ids", id, payload: 2 }),
        job({ queue: "ids", payload: 3 }),
        job({ queue: "ids", id, payload: 4, unique: unique("ids") })
      ])
      assert.deepStrictEqual(answers.map(({ duplicate }) => duplicate), [true, false, true])
      assert.deepStrictEqual([answers[0]!.id, answers[2]!.id], [id, id])
      const worker = yield* member()
      const claimed = yield* (yield* Store).claim(worker, "ids", 10)
      assert.deepStrictEqual(claimed.map(({ payload }) => payload), [1, 3])
    }))

  it.effect("what Postgres cannot hold or give back is refused with its reason, and nothing else with it", () =>
    Effect.gen(function*() {
      const { enqueue } = yield* Store
      const refusals = yield* Effect.forEach(
        [{ text: "a\u0000b" }, { "\ud800": 1 }, { big: "x".repeat(64 * 1024 * 1024) }],
        (payload) => Effect.flip(enqueue([job({ queue: "strange", payload })]))
      )
      assert.deepStrictEqual(refusals.map(({ _tag }) => _tag), Array(3).fill("JobStoreUnavailable"))
      assert.match(refusals[0]!.message, /U\+0000/)
      assert.match(refusals[2]!.message, /67108874 bytes/)
      const fine = { text: "\\u0000 is text", emoji: "\u{1F600}", ["__proto__"]: { x: 1 }, deep: [[[null]]], n: 1e-7 }
      const meta = { tags: ["a\u0000b"] }
      const [made] = yield* enqueue([job({ queue: "strange", payload: fine, meta, tenant: "t\u0000" })])
      const [claimed] = yield* (yield* Store).claim(yield* member(), "strange", 1)
      assert.strictEqual(claimed!.id, made!.id)
      assert.deepStrictEqual(claimed!.payload, fine)
      assert.deepStrictEqual(claimed!.meta.tags, ["a\uFFFDb"])
    }))

  it.effect("S2.92 a job is due at its instant or after its delay, by the clock of the database", () =>
    Effect.gen(function*() {
      const { claim, enqueue, nextDueMs, promote } = yield* Store
      const sql = yield* PgClient.PgClient
      yield* sql`DELETE FROM ostinato.later`
      const [past] = yield* enqueue([
        job({ queue: "due", runAt: DateTime.makeUnsafe(1000) }),
        job({ queue: "due", delayMs: 50_000 }),
        job({ queue: "due", runAt: DateTime.makeUnsafe("2999-01-01") })
      ])
      const worker = yield* member()
      assert.deepStrictEqual((yield* claim(worker, "due", 9)).map(({ id }) => id), [past!.id])
      assert.strictEqual(yield* promote(10), 0)
      const wait = yield* nextDueMs
      assert.isTrue(wait! > 40_000 && wait! <= 50_000, String(wait))
      yield* sql`UPDATE ostinato.later SET run_at = now() WHERE run_at < now() + interval '1 day'`
      assert.strictEqual(yield* nextDueMs, 0)
      assert.strictEqual(yield* promote(10), 1)
      assert.strictEqual((yield* claim(worker, "due", 9)).length, 1)
    }))

  it.effect("Nodes that meet new names at once agree on their numbers", () =>
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      const rows = yield* Effect.all(
        Array.from({ length: 16 }, (_, n) =>
          sql<{ ids: string }>`
            SELECT string_agg(queue_id || ':' || task_id, ' ' ORDER BY queue, task) AS ids
            FROM ostinato.names(${n % 2 === 0 ? ["n1", "n2", "n3"] : ["n3", "n2", "n1"]}::text[],
              ${n % 2 === 0 ? ["t1", "t2", "t3"] : ["t3", "t2", "t1"]}::text[])`),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(new Set(rows.map(([row]) => row!.ids)).size, 1)
    }))
})

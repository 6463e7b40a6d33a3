/** Limits on a real server: never more at once than permits, never sooner than the rate, in order where it was asked for. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type { JobId } from "ostinato/jobs/Job"
import type { Claimed, Member } from "ostinato/jobs/JobStore"
import * as PostgresJobStore from "ostinato/jobs/stores/Postgres"
import { Database } from "ostinato/store/Database"
import { end, failure, job, layer as store, member, Store } from "./jobs.ts"

const limit = (name: string, permits: number | null, everyMs: number | null = null, burst = 1) =>
  Effect.flatMap(
    PgClient.PgClient,
    (sql) =>
      sql`
      INSERT INTO ostinato.limits (name, permits, every, burst)
      VALUES (${name}, ${permits}, ${everyMs}::float8 * interval '1 millisecond', ${burst})`
  )

const limitQueue = (queue: string, name: string | null) =>
  Effect.flatMap(
    PgClient.PgClient,
    (sql) =>
      sql`
      SELECT ostinato.limit_queue((SELECT id FROM ostinato.queue WHERE name = ${queue}),
        (SELECT id FROM ostinato.limits WHERE name = ${name}))`
  )

const count = (what: string) =>
  Effect.flatMap(
    PgClient.PgClient,
    (sql) => Effect.map(sql.unsafe<{ n: number }>(`select count(*)::int as n from ostinato.${what}`), ([row]) => row!.n)
  )

/** Jobs of the queue that have not ended. */
const left = (queue: string) =>
  Effect.flatMap(PgClient.PgClient, (sql) =>
    Effect.map(
      sql<{ n: number }>`
        SELECT count(*)::int AS n FROM ostinato.jobs WHERE queue = ${queue} AND finished_at IS NULL`,
      ([row]) => row!.n
    ))

const ids = (jobs: ReadonlyArray<{ readonly id: string }>) => jobs.map(({ id }) => id)

layer(store, { excludeTestServices: true })("limits", (it) => {
  it.effect("a limit that was removed and set again is the same for a node that knew it before, which also obeyed it between", () =>
    Effect.gen(function*() {
      const { claim, enqueue, finish, limits } = yield* Store
      const other = Context.get(yield* Layer.build(Layer.fresh(PostgresJobStore.layer())), Store)
      const limited = job({ queue: "revived", limit: { name: "revived", key: "k", strict: false } })
      yield* limits.set({ name: "revived", permits: 1, rate: null })
      const mine = yield* member()
      const claimed = Effect.tap(claim(mine, "revived", 9), (jobs) => finish(mine, jobs.map((one) => end(one))))
      yield* Effect.andThen(other.enqueue([limited]), claimed)
      assert.strictEqual(yield* limits.remove("revived"), "removed")
      yield* other.enqueue([limited, limited])
      assert.deepStrictEqual([(yield* claimed).length, (yield* claimed).length], [1, 1])
      assert.strictEqual((yield* Effect.flip(enqueue([limited])))._tag, "JobInvalid")
      assert.deepStrictEqual((yield* limits.list).map(({ name }) => name).includes("revived"), false)
      yield* limits.set({ name: "revived", permits: 2, rate: null })
      yield* other.enqueue([limited, limited])
      yield* enqueue([limited])
      assert.deepStrictEqual([(yield* claimed).length, (yield* claimed).length], [2, 1])
    }))

  it.effect(
    "of 600 jobs with two keys of three permits, retries among them, never more than three of a key run at once",
    () =>
      Effect.gen(function*() {
        const { claim, enqueue, finish, promote } = yield* Store
        yield* limit("three", 3)
        yield* enqueue(Array.from({ length: 600 }, (_, n) =>
          job({ queue: "permits", payload: `k${n % 2}`, limit: { name: "three", key: `k${n % 2}`, strict: false } })))
        const running = new Map<unknown, number>()
        let most = 0
        let ended = 0
        const worker = Effect.gen(function*() {
          const mine = yield* member()
          while (ended < 600) {
            const jobs = yield* claim(mine, "permits", 2)
            for (const { payload } of jobs) {
              const now = (running.get(payload) ?? 0) + 1
              running.set(payload, now)
              most = Math.max(most, now)
            }
            yield* Effect.yieldNow
            for (const { payload } of jobs) {
              running.set(payload, running.get(payload)! - 1)
            }
            const ends = jobs.map((claimed) =>
              claimed.attempt === 1 && Number(BigInt(claimed.id) % 3n) === 0
                ? end(claimed, { outcome: "retry", failure: failure("x") })
                : end(claimed)
            )
            assert.strictEqual((yield* finish(mine, ends)).size, 0)
            ended += ends.filter(({ outcome }) =>
              outcome === "completed"
            ).length
            if (jobs.length === 0) yield* promote(100)
          }
        })
        yield* Effect.all([worker, worker, worker, worker], { concurrency: 4 })
        assert.strictEqual(most, 3)
        assert.deepStrictEqual([yield* left("permits"), yield* count("permit")], [0, 0])
      }),
    30_000
  )

  it.effect("a rate of one each 50 ms with a burst of five lets five in at once, and then one each 50 ms", () =>
    Effect.gen(function*() {
      const { claim, enqueue, promote, sweep } = yield* Store
      const sql = yield* PgClient.PgClient
      yield* limit("rate", null, 50, 5)
      yield* enqueue(
        Array.from({ length: 12 }, () => job({ queue: "rate", limit: { name: "rate", key: "a", strict: false } }))
      )
      const worker = yield* member()
      assert.strictEqual((yield* claim(worker, "rate", 20)).length, 5)
      const starts = yield* sql<{ ms: number }>`
        SELECT round(extract(epoch FROM run_at - min(run_at) OVER ()) * 1000)::int AS ms FROM ostinato.later
        WHERE state = 'a' ORDER BY run_at`
      assert.deepStrictEqual(starts.map(({ ms }) => ms), [0, 50, 100, 150, 200, 250, 300])
      yield* sql`UPDATE ostinato.later SET run_at = run_at - interval '1 second' WHERE limit_id = 0`
      yield* promote(100)
      yield* sweep
      assert.strictEqual((yield* claim(worker, "rate", 20)).length, 7)
    }))

  it.effect("G13 jobs of one ordering key run one after the other in their order, also when one is tried again", () =>
    Effect.gen(function*() {
      const { claim, enqueue, finish, promote, sweep } = yield* Store
      const sql = yield* PgClient.PgClient
      const made = yield* enqueue(
        [1, 2, 3].map((payload) =>
          job({ queue: "order", payload, limit: { name: "order", key: "customer 1", strict: true } })
        )
      )
      const other = yield* enqueue([job({ queue: "order", limit: { name: "order", key: "customer 2", strict: true } })])
      const worker = yield* member()
      const next = Effect.map(claim(worker, "order", 9), (jobs) => jobs)
      const [first, second] = yield* next
      assert.deepStrictEqual(ids([first!, second!]), ids([made[0]!, other[0]!]))
      yield* finish(worker, [
        end(first!, { outcome: "retry", delayMs: 60_000, failure: failure("x") }),
        end(second!)
      ])
      yield* sweep
      yield* promote(100)
      assert.deepStrictEqual(yield* next, [])
      yield* sql`UPDATE ostinato.later SET run_at = now() WHERE state = 'r'`
      yield* promote(100)
      const [again] = yield* next
      assert.deepStrictEqual([again!.id, again!.attempt], [made[0]!.id, 2])
      yield* finish(worker, [end(again!, { outcome: "snooze" })])
      yield* promote(100)
      const [third] = yield* next
      assert.deepStrictEqual([third!.id, third!.attempt], [made[0]!.id, 2])
      const order: Array<string> = []
      for (let jobs: ReadonlyArray<Claimed> = [third!]; jobs.length > 0; jobs = yield* next) {
        order.push(...ids(jobs))
        yield* finish(worker, jobs.map((claimed) => end(claimed)))
      }
      assert.deepStrictEqual(order, ids(made))
    }))

  it.effect("two finishers of two keys never wait for each other in a circle", () =>
    Effect.gen(function*() {
      const { claim, enqueue, finish } = yield* Store
      yield* limit("circle", 2)
      yield* enqueue(Array.from({ length: 400 }, (_, n) =>
        job({ queue: "circle", limit: { name: "circle", key: `k${n % 5}`, strict: false } })))
      const worker = Effect.gen(function*() {
        const mine = yield* member()
        let taken = 0
        while (true) {
          const jobs = yield* claim(mine, "circle", 5)
          if (jobs.length === 0 && (yield* left("circle")) === 0) {
            return taken
          }
          taken += jobs.length
          yield* finish(
            mine,
            [...jobs].reverse().map((claimed) =>
              end(claimed)
            )
          )
        }
      })
      const taken = yield* Effect.all([worker, worker, worker, worker], { concurrency: 4 })
      assert.strictEqual(taken.reduce((a, b) => a + b), 400)
    }), 30_000)

  it.effect("a limit set on a queue with a backlog holds for jobs that were there, those that run and those on their way", () =>
    Effect.gen(function*() {
      const { claim, enqueue, finish, sweep } = yield* Store
      const sql = yield* PgClient.PgClient
      yield* limit("queue two", 2)
      yield* enqueue(Array.from({ length: 6 }, () => job({ queue: "backlog" })))
      const worker = yield* member()
      const running = yield* claim(worker, "backlog", 3)
      const go = yield* Deferred.make<void>()
      const there = yield* Deferred.make<void>()
      // enqueued by a transaction that began before there was a limit, and commits after
      const slow = yield* Effect.forkChild(sql.withTransaction(Effect.gen(function*() {
        yield* enqueue([job({ queue: "backlog" }), job({ queue: "backlog" })])
        yield* Deferred.succeed(there, undefined)
        yield* Deferred.await(go)
      })))
      yield* Deferred.await(there)
      yield* limitQueue("backlog", "queue two")
      assert.strictEqual(yield* count("permit"), 3)
      assert.deepStrictEqual(yield* claim(worker, "backlog", 9), [])
      yield* Deferred.succeed(go, undefined)
      yield* Fiber.join(slow)
      assert.deepStrictEqual(yield* claim(worker, "backlog", 9), [])
      // three run, and there are two permits: the first end lets nobody in
      yield* finish(worker, [end(running[0]!)])
      assert.deepStrictEqual(yield* claim(worker, "backlog", 9), [])
      let held = running.slice(1)
      let done = 1
      while (held.length > 0) {
        yield* finish(worker, [end(held[0]!, done % 2 === 0 ? { output: 1 } : {})])
        done++
        yield* sweep
        held = [...held.slice(1), ...(yield* claim(worker, "backlog", 9))]
        assert.isTrue(held.length <= 2)
      }
      assert.deepStrictEqual([done, yield* count("permit"), yield* left("backlog")], [8, 0, 0])
      assert.deepStrictEqual(
        yield* sql`SELECT limited_by IS NULL AS settled FROM ostinato.queue WHERE name = 'backlog'`,
        [{ settled: true }]
      )
      // new ones obey it, and without it all are free again
      yield* enqueue(Array.from({ length: 5 }, () => job({ queue: "backlog" })))
      const two = yield* claim(worker, "backlog", 9)
      assert.strictEqual(two.length, 2)
      yield* limitQueue("backlog", null)
      yield* (yield* Store).promote(100)
      const rest = yield* claim(worker, "backlog", 9)
      assert.strictEqual(rest.length, 3)
      yield* finish(worker, [...two, ...rest].map((claimed) => end(claimed)))
      assert.strictEqual(yield* count("permit"), 0)
    }))

  it.effect("a permit goes on after the commit of a completion in a transaction, a cancel and another due time", () =>
    Effect.gen(function*() {
      const { cancel, claim, enqueue, finish, finishTx, reschedule } = yield* Store
      yield* limit("one", 1)
      yield* enqueue(
        Array.from({ length: 4 }, () => job({ queue: "one", limit: { name: "one", key: "", strict: false } }))
      )
      const worker = yield* member()
      const [first] = yield* claim(worker, "one", 9)
      yield* Database.transaction(Effect.gen(function*() {
        yield* finishTx(worker, end(first!))
        assert.deepStrictEqual(yield* claim(worker, "one", 9), [])
      }))
      const waiting = yield* available("one")
      assert.strictEqual(waiting.length, 1)
      yield* cancel(waiting, { actor: null, reason: null })
      const next = yield* available("one")
      assert.strictEqual(next.length, 1)
      assert.notDeepEqual(next, waiting)
      yield* Database.transaction(reschedule(next, { delayMs: 60_000 }))
      const [last] = yield* claim(worker, "one", 9)
      assert.notInclude([...waiting, ...next, first!.id], last!.id)
      yield* finish(worker, [end(last!)])
      assert.strictEqual(yield* count("permit"), 0)
    }))

  it.effect("a permit whose job has ended without giving it back is found by the sweep", () =>
    Effect.gen(function*() {
      const { claim, enqueue, finish, sweep } = yield* Store
      const sql = yield* PgClient.PgClient
      yield* limit("leak", 1)
      yield* enqueue(
        [1, 2].map((payload) => job({ queue: "leak", payload, limit: { name: "leak", key: "", strict: true } }))
      )
      const worker: Member = yield* member()
      const [first] = yield* claim(worker, "leak", 9)
      // as after a crash between a transaction and what follows its commit
      yield* sql`DELETE FROM ostinato.ready WHERE job_id = ${first!.id}::bigint`
      yield* sweep
      const [second] = yield* claim(worker, "leak", 9)
      assert.strictEqual(second!.payload, 2)
      yield* sweep
      assert.deepStrictEqual(yield* claim(worker, "leak", 9), [])
      yield* finish(worker, [end(second!)])
      assert.strictEqual(yield* count("permit"), 0)
    }))
})

const available = (queue: string) =>
  Effect.flatMap(PgClient.PgClient, (sql) =>
    Effect.map(
      sql<{ id: JobId }>`
        SELECT j.id::text FROM ostinato.ready r JOIN ostinato.job j ON j.id = r.job_id
        JOIN ostinato.queue q ON q.id = r.queue_id WHERE q.name = ${queue} AND r.worker_id IS NULL`,
      (rows) => rows.map(({ id }) => id)
    ))

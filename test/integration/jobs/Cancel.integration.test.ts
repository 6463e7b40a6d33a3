/** Cancels, other due times and retries on a real server, against whatever happens to the job at the same moment. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import { JobId } from "ostinato/jobs/Job"
import { Database } from "ostinato/store/Database"
import { end, failure, job, layer as store, member, Store } from "./jobs.ts"

const by = { actor: "ada", reason: "no longer wanted" }

/** Until a cancel waits for a lock. */
const somebodyWaits = Effect.flatMap(PgClient.PgClient, (sql) =>
  Effect.repeat(
    sql<{ n: number }>`
      SELECT count(*)::int AS n FROM pg_stat_activity
      WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%cancel(%'`,
    { until: ([row]) => row!.n > 0, schedule: Schedule.spaced("5 millis") }
  ))

const state = (id: string) =>
  Effect.flatMap(PgClient.PgClient, (sql) =>
    Effect.map(
      sql<{ state: string; reason: string | null }>`SELECT state, reason FROM ostinato.jobs WHERE id = ${id}::bigint`,
      ([row]) => row
    ))

layer(store, { excludeTestServices: true })("cancel, reschedule and retry", (it) => {
  it.effect("each job is cancelled at once, requested, already asked for, ended or unknown", () =>
    Effect.gen(function*() {
      const { cancel, claim, enqueue, finish } = yield* Store
      const sql = yield* PgClient.PgClient
      const worker = yield* member()
      const [done] = yield* enqueue([job({ queue: "fates" })])
      const [first] = yield* claim(worker, "fates", 1)
      yield* finish(worker, [end(first!)])
      const [running] = yield* enqueue([job({ queue: "fates" })])
      yield* claim(worker, "fates", 1)
      const [waiting, later, pending, parked, blocked] = yield* enqueue([
        job({ queue: "fates" }),
        job({ queue: "fates", delayMs: 60_000 }),
        job({ queue: "fates", after: [{ parent: 1, on: "completed" }] }),
        job({ queue: "fates", limit: { name: "order", key: "fates", strict: true } }),
        job({ queue: "fates", limit: { name: "order", key: "fates", strict: true } })
      ])
      const ids = [done, running, waiting, later, pending, parked, blocked].map((one) => one!.id)
      const strange = [JobId.make("1"), JobId.make("9223372036854775807")]
      const fates = yield* cancel([...ids, ...strange], by)
      assert.deepStrictEqual(
        [...ids, ...strange].map((id) => fates.get(id)),
        ["ended", "requested", "cancelled", "cancelled", "cancelled", "cancelled", "cancelled", "unknown", "unknown"]
      )
      const again = yield* cancel(ids, by)
      assert.deepStrictEqual(ids.map((id) => again.get(id)), ["ended", "already", ...Array(5).fill("ended")])
      assert.deepStrictEqual(
        yield* sql`SELECT job_id::text AS id, action, reason FROM ostinato.control`,
        [{ id: running!.id, action: "x", reason: by }]
      )
      assert.match((yield* state(running!.id))!.reason!, /^cancellation is requested/)
      assert.deepStrictEqual(
        yield* sql`SELECT failure -> 'cancellation' AS by, failure ->> 'message' AS message FROM ostinato.jobs
          WHERE id = ${waiting!.id}::bigint`,
        [{ by, message: "cancelled by ada: no longer wanted" }]
      )
      assert.strictEqual((yield* sql`SELECT FROM ostinato.permit`).length, 0)
    }))

  it.effect("of a cancel and a claim at the same moment one comes first, and the job has one fate", () =>
    Effect.gen(function*() {
      const { cancel, claim, enqueue } = yield* Store
      const sql = yield* PgClient.PgClient
      const worker = yield* member()
      const seen = new Map<string, number>()
      for (let round = 0; round < 40; round++) {
        const made = yield* enqueue(Array.from({ length: 5 }, () => job({ queue: "race" })))
        const [jobs, fates] = yield* Effect.all(
          [claim(worker, "race", 5), cancel(made.map(({ id }) => id).reverse(), by)],
          { concurrency: 2 }
        )
        const taken = new Set(jobs.map(({ id }) => id))
        for (const { id } of made) {
          const fate = fates.get(id)!
          assert.strictEqual(fate, taken.has(id) ? "requested" : "cancelled")
          seen.set(fate, (seen.get(fate) ?? 0) + 1)
        }
      }
      const [row] = yield* sql<{ running: number; cancelled: number; mail: number }>`
        SELECT count(*) FILTER (WHERE state = 'running')::int AS running,
          count(*) FILTER (WHERE state = 'cancelled')::int AS cancelled,
          (SELECT count(*)::int FROM ostinato.control c WHERE c.worker_id = ${worker.id}) AS mail
        FROM ostinato.jobs WHERE queue = 'race'`
      const requested = seen.get("requested") ?? 0
      assert.deepStrictEqual(row, { running: requested, cancelled: 200 - requested, mail: requested })
    }))

  it.effect("of a cancel and an end at the same moment the job has one outcome", () =>
    Effect.gen(function*() {
      const { cancel, claim, enqueue, finish, promote } = yield* Store
      const sql = yield* PgClient.PgClient
      const worker = yield* member()
      for (let round = 0; round < 40; round++) {
        yield* enqueue([job({ queue: "ends", meta: { tags: [String(round)] } })])
        const [claimed] = yield* claim(worker, "ends", 1)
        const again = round % 2 === 0
        const [fenced, fates] = yield* Effect.all([
          finish(worker, [end(claimed!, again ? { outcome: "retry", failure: failure("x") } : {})]),
          cancel([claimed!.id], by)
        ], { concurrency: 2 })
        assert.strictEqual(fenced.size, 0)
        const fate = fates.get(claimed!.id)!
        const { state: is } = (yield* state(claimed!.id))!
        assert.include(
          again
            ? ["requested retryable", "requested cancelled", "cancelled cancelled"]
            : ["requested completed", "ended completed"],
          `${fate} ${is}`
        )
        yield* promote(10)
        for (const left of yield* claim(worker, "ends", 9)) yield* finish(worker, [end(left)])
      }
      const rows = yield* sql`SELECT job_id FROM ostinato.done GROUP BY job_id HAVING count(*) > 1`
      assert.deepStrictEqual(rows, [])
    }))

  it.effect("hundreds of jobs that are cancelled while they end never wait for one another in a circle", () =>
    Effect.gen(function*() {
      const { cancel, claim, enqueue, finish } = yield* Store
      const sql = yield* PgClient.PgClient
      const worker = yield* member()
      for (let round = 0; round < 10; round++) {
        const made = yield* enqueue(Array.from({ length: 300 }, () => job({ queue: "crowd" })))
        const jobs = yield* claim(worker, "crowd", 300)
        const [fenced, fates] = yield* Effect.all(
          [finish(worker, [...jobs].reverse().map((claimed) => end(claimed))), cancel(made.map(({ id }) => id), by)],
          { concurrency: 2 }
        )
        assert.strictEqual(fenced.size, 0)
        assert.isTrue(Array.from(fates.values()).every((fate) => fate === "requested" || fate === "ended"))
        assert.strictEqual(fates.size, 300)
      }
      const [row] = yield* sql<{ deadlocks: bigint }>`
        SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()`
      assert.strictEqual(row!.deadlocks, 0n)
    }))

  it.effect("a cancel waits for a transaction that ends the job, and answers what became of it", () =>
    Effect.gen(function*() {
      const { cancel, claim, enqueue, finishTx } = yield* Store
      const worker = yield* member()
      for (const commits of [true, false]) {
        const [made] = yield* enqueue([job({ queue: "held" })])
        const [claimed] = yield* claim(worker, "held", 1)
        const go = yield* Deferred.make<void>()
        const there = yield* Deferred.make<void>()
        const ending = yield* Effect.forkChild(Effect.exit(Database.transaction(Effect.gen(function*() {
          yield* finishTx(worker, end(claimed!))
          yield* Deferred.succeed(there, undefined)
          yield* Deferred.await(go)
          if (!commits) return yield* Effect.fail("no")
        }))))
        yield* Deferred.await(there)
        const asked = yield* Effect.forkChild(cancel([made!.id], by))
        yield* somebodyWaits
        yield* Deferred.succeed(go, undefined)
        yield* Fiber.join(ending)
        assert.strictEqual((yield* Fiber.join(asked)).get(made!.id), commits ? "ended" : "requested")
      }
    }))

  it.effect("what is cancelled in a transaction is cancelled with it", () =>
    Effect.gen(function*() {
      const { cancel, enqueue } = yield* Store
      const [made] = yield* enqueue([job({ queue: "tx" })])
      yield* Effect.exit(Database.transaction(Effect.andThen(cancel([made!.id], by), Effect.fail("no"))))
      assert.strictEqual((yield* state(made!.id))!.state, "available")
      yield* Database.transaction(cancel([made!.id], by))
      assert.strictEqual((yield* state(made!.id))!.state, "cancelled")
    }))

  it.effect("S2.92 another due time is taken by what does not run, and by nothing else", () =>
    Effect.gen(function*() {
      const { claim, enqueue, finish, nextDueMs, promote, reschedule } = yield* Store
      const sql = yield* PgClient.PgClient
      yield* sql`DELETE FROM ostinato.later`
      const worker = yield* member()
      const [available, later, running, retryable] = yield* enqueue([
        job({ queue: "when", priority: 9 }),
        job({ queue: "when", delayMs: 3_600_000 }),
        job({ queue: "when", priority: 1 }),
        job({ queue: "when", priority: 2 })
      ])
      const [, again] = yield* claim(worker, "when", 2)
      yield* finish(worker, [end(again!, { outcome: "retry", delayMs: 3_600_000, failure: failure("x") })])
      const ids = [available, later, running, retryable].map((one) => one!.id)
      const taken = yield* reschedule(ids, { delayMs: 60_000 })
      assert.deepStrictEqual(ids.map((id) => taken.has(id)), [true, true, false, true])
      assert.deepStrictEqual(
        (yield* Effect.forEach(ids, state)).map((row) => row!.state),
        ["scheduled", "scheduled", "running", "retryable"]
      )
      const wait = yield* nextDueMs
      assert.isTrue(wait! > 50_000 && wait! <= 60_000, String(wait))
      assert.strictEqual((yield* reschedule(ids, { delayMs: 0 })).size, 3)
      assert.strictEqual(yield* promote(10), 3)
      const jobs = yield* claim(worker, "when", 9)
      assert.deepStrictEqual(jobs.map(({ attempt, id }) => [id, attempt]), [
        [later!.id, 1],
        [retryable!.id, 2],
        [available!.id, 1]
      ])
    }))

  it.effect("a retry makes what waits due now, and begins anew what was discarded or cancelled, its old attempts fenced", () =>
    Effect.gen(function*() {
      const { cancel, claim, enqueue, finish, promote, retry } = yield* Store
      const worker = yield* member()
      const made = yield* enqueue([
        ...Array.from({ length: 3 }, () => job({ queue: "retry" })),
        job({ queue: "retry", delayMs: 60_000 }),
        job({ queue: "retry", priority: 5 })
      ])
      const [completed, discarded, retried] = yield* claim(worker, "retry", 3)
      yield* finish(worker, [
        end(completed!),
        end(discarded!, { outcome: "discarded", failure: failure("x") }),
        end(retried!, { outcome: "retry", delayMs: 60_000, failure: failure("x") })
      ])
      yield* cancel([made[4]!.id], by)
      const ids = made.map(({ id }) => id)
      const taken = yield* retry(ids)
      assert.deepStrictEqual(ids.map((id) => taken.has(id)), [false, true, true, true, true])
      yield* promote(100)
      const jobs = yield* claim(worker, "retry", 9)
      assert.deepStrictEqual(jobs.map(({ attempt, id }) => [id, attempt]), [
        [ids[1], 1],
        [ids[2], 2],
        [ids[3], 1],
        [ids[4], 1]
      ])
      assert.deepStrictEqual(Array.from(yield* finish(worker, [end(discarded!)])), [ids[1]])
      assert.strictEqual(
        (yield* finish(worker, jobs.map((claimed) => end(claimed, { outcome: "discarded", failure: failure("y") }))))
          .size,
        0
      )
    }))
})

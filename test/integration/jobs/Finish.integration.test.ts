/** Ends of attempts on a real server: fenced by worker and epoch, each once, with their outcome. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { Claimed } from "ostinato/jobs/JobStore"
import { Database } from "ostinato/store/Database"
import { end, failure, job, layer as store, logLine, member, Store, unique } from "./jobs.ts"

/** As rescue does with the jobs of a dead worker. */
const takenBack = (jobs: ReadonlyArray<Claimed>) =>
  Effect.flatMap(
    PgClient.PgClient,
    (sql) =>
      sql`
      UPDATE ostinato.ready SET worker_id = NULL, claimed_at = NULL, epoch = epoch + 1, lost = lost + 1
      WHERE job_id = ANY(${jobs.map(({ id }) => id)}::bigint[])`
  )

const ids = (jobs: Iterable<{ readonly id: string }>) => Array.from(jobs, ({ id }) => id)

const states = (queue: string) =>
  Effect.flatMap(PgClient.PgClient, (sql) =>
    Effect.map(
      sql<{ state: string }>`SELECT state FROM ostinato.jobs WHERE queue = ${queue} ORDER BY id`,
      (rows) => rows.map(({ state }) => state)
    ))

layer(store, { excludeTestServices: true })("ends of attempts", (it) => {
  for (const way of ["complete", "finish"] as const) {
    it.effect(`a stale worker, a stale epoch and a second end are refused by ${way}, and change nothing`, () =>
      Effect.gen(function*() {
        const { claim, enqueue, finish } = yield* Store
        const sql = yield* PgClient.PgClient
        const queue = `fence ${way}`
        const all = (jobs: ReadonlyArray<Claimed>) =>
          jobs.map((claimed) => end(claimed, way === "complete" ? {} : { output: 1 }))
        yield* enqueue(Array.from({ length: 4 }, () => job({ queue })))
        const a = yield* member()
        const b = yield* member()
        const stale = yield* claim(a, queue, 4)
        yield* takenBack(stale)
        const fresh = yield* claim(b, queue, 4)
        assert.deepStrictEqual(
          fresh.map(({ attempt, epoch, lost }) => [attempt, epoch, lost]),
          Array.from({ length: 4 }, () => [2, 3, 1])
        )
        assert.deepStrictEqual(ids(fresh), ids(stale))
        assert.strictEqual((yield* finish(a, all(stale))).size, 4)
        assert.strictEqual((yield* finish(b, all(stale))).size, 4)
        assert.strictEqual((yield* finish(a, all(fresh))).size, 4)
        assert.deepStrictEqual(yield* states(queue), Array(4).fill("running"))
        assert.deepStrictEqual(
          yield* sql`SELECT FROM ostinato.done d JOIN ostinato.job j ON j.id = d.job_id
          JOIN ostinato.queue q ON q.id = j.queue_id WHERE q.name = ${queue}`,
          []
        )
        assert.strictEqual((yield* finish(b, all(fresh.slice(0, 2)))).size, 0)
        // the answer to the first may have been lost
        assert.strictEqual((yield* finish(b, all(fresh))).size, 0)
        assert.deepStrictEqual(yield* states(queue), Array(4).fill("completed"))
        assert.strictEqual((yield* finish(a, all(stale))).size, 4)
      }))
  }

  it.effect("one call ends a batch of queues, priorities, epochs and outcomes, each with what belongs to it", () =>
    Effect.gen(function*() {
      const { claim, enqueue, finish } = yield* Store
      const sql = yield* PgClient.PgClient
      yield* enqueue([
        job({ queue: "mixed" }),
        job({ queue: "mixed", priority: 1 }),
        job({ queue: "mixed", priority: 2 }),
        job({ queue: "mixed", priority: 3 }),
        job({ queue: "mixed", priority: 4 }),
        job({ queue: "mixed", priority: 5 }),
        job({ queue: "mixed", priority: 6, meta: { forget: true } })
      ])
      yield* enqueue([job({ queue: "mixed too" })])
      const worker = yield* member()
      const [c, f, x, r, s, h, forgotten] = yield* claim(worker, "mixed", 9)
      const [other] = yield* claim(worker, "mixed too", 9)
      yield* sql`INSERT INTO ostinato.holds (name) VALUES ('task:test.task')`
      const fenced = yield* finish(worker, [
        end(c!, {
          output: { text: "a\u0000b" },
          report: { items: { succeeded: 3, failed: 0, summary: "3 items" } },
          logs: [logLine("hello\u0000")]
        }),
        end(f!, { outcome: "discarded", failure: failure("Broken\u0000") }),
        end(x!, { outcome: "cancelled", failure: failure("Cancelled") }),
        end(r!, { outcome: "retry", delayMs: 60_000, failure: failure("Again") }),
        end(s!, { outcome: "snooze", delayMs: 1, note: "too early" }),
        end(h!, { outcome: "hold", note: "task:test.task" }),
        end(forgotten!),
        end(other!)
      ])
      assert.strictEqual(fenced.size, 0)
      assert.deepStrictEqual(
        yield* sql`
          SELECT state, attempt, reason IS NOT NULL AS waits, output, failure ->> 'tag' AS tag
          FROM ostinato.jobs WHERE queue = 'mixed' ORDER BY id`,
        [
          { state: "completed", attempt: 1, waits: false, output: { text: "a\uFFFDb" }, tag: null },
          { state: "discarded", attempt: 1, waits: false, output: null, tag: "Broken\uFFFD" },
          { state: "cancelled", attempt: 1, waits: false, output: null, tag: "Cancelled" },
          { state: "retryable", attempt: 1, waits: true, output: null, tag: "Again" },
          { state: "scheduled", attempt: 0, waits: true, output: null, tag: null },
          { state: "available", attempt: 0, waits: true, output: null, tag: null },
          { state: "completed", attempt: 1, waits: false, output: null, tag: null }
        ]
      )
      const [kept] = yield* sql<{ logs: string; done: number; note: string; held: string }>`
        SELECT (SELECT lines -> 0 ->> 'message' FROM ostinato.job_log WHERE job_id = ${c!.id}::bigint) AS logs,
          (SELECT count(*)::int FROM ostinato.done WHERE job_id = ${forgotten!.id}::bigint) AS done,
          (SELECT note FROM ostinato.later WHERE job_id = ${s!.id}::bigint) AS note,
          (SELECT reason FROM ostinato.jobs WHERE id = ${h!.id}::bigint) AS held`
      assert.deepStrictEqual(kept, {
        logs: "hello\uFFFD",
        done: 0,
        note: "too early",
        held: "is held by task:test.task"
      })
      assert.deepStrictEqual(yield* states("mixed too"), ["completed"])
    }))

  it.effect("a hold that is released while its job is given back holds nothing, and the sweep finds what came too late", () =>
    Effect.gen(function*() {
      const { claim, enqueue, finish, promote, sweep } = yield* Store
      const sql = yield* PgClient.PgClient
      yield* enqueue([job({ queue: "hold" }), job({ queue: "hold" })])
      const worker = yield* member()
      const [a, b] = yield* claim(worker, "hold", 9)
      yield* finish(worker, [end(a!, { outcome: "hold", note: "tenant:gone" })])
      assert.deepStrictEqual(yield* states("hold"), ["scheduled", "running"])
      yield* sql`INSERT INTO ostinato.holds (name) VALUES ('tenant:late')`
      yield* finish(worker, [end(b!, { outcome: "hold", note: "tenant:late" })])
      yield* promote(100)
      assert.deepStrictEqual(ids(yield* claim(worker, "hold", 9)), [a!.id])
      yield* sweep
      assert.deepStrictEqual(yield* states("hold"), ["running", "available"])
      yield* sql`DELETE FROM ostinato.holds WHERE name = 'tenant:late'`
      yield* sweep
      yield* promote(100)
      assert.deepStrictEqual(ids(yield* claim(worker, "hold", 9)), [b!.id])
    }))

  it.effect("a result that could not be read back discards the job and says so, and nobody else in the batch", () =>
    Effect.gen(function*() {
      const { claim, enqueue, finish, get } = yield* Store
      yield* enqueue([job({ queue: "large" }), job({ queue: "large" }), job({ queue: "large" })])
      const worker = yield* member()
      const [large, fine, loud] = yield* claim(worker, "large", 9)
      const text = "x".repeat(9 * 1024 * 1024)
      const fenced = yield* finish(worker, [
        end(large!, { output: text }),
        end(fine!, { output: "fine" }),
        end(loud!, { outcome: "discarded", failure: { ...failure("Loud"), cause: text }, logs: [logLine(text)] })
      ])
      assert.strictEqual(fenced.size, 0)
      const jobs = [yield* get(large!.id), yield* get(fine!.id), yield* get(loud!.id)]
      assert.deepStrictEqual(jobs.map((one) => [one!.state, one!.output, one!.failure?.tag]), [
        ["discarded", null, "OutputTooLarge"],
        ["completed", "fine", undefined],
        ["discarded", null, "Loud"]
      ])
      assert.match(jobs[0]!.failure!.message, /9437186 bytes/)
    }))

  it.effect("what is handed back is there at once, unspent, and the attempt that gave it back is fenced", () =>
    Effect.gen(function*() {
      const { claim, enqueue, finish, handBack } = yield* Store
      yield* enqueue([job({ queue: "back" }), job({ queue: "back" })])
      const a = yield* member()
      const b = yield* member()
      const jobs = yield* claim(a, "back", 2)
      yield* handBack(a, jobs)
      assert.strictEqual((yield* finish(a, jobs.map((claimed) => end(claimed)))).size, 2)
      const again = yield* claim(b, "back", 2)
      assert.deepStrictEqual(
        again.map(({ attempt, epoch, id }) => [id, attempt, epoch]),
        jobs.map(({ id }) => [id, 1, 2])
      )
      yield* handBack(a, again)
      assert.deepStrictEqual(yield* states("back"), ["running", "running"])
    }))

  it.effect("progress is the newest word of the newest attempt", () =>
    Effect.gen(function*() {
      const { claim, enqueue, progress } = yield* Store
      const sql = yield* PgClient.PgClient
      yield* enqueue([job({ queue: "progress" })])
      const a = yield* member()
      const b = yield* member()
      const [stale] = yield* claim(a, "progress", 1)
      const said = sql<{ progress: unknown }>`SELECT progress FROM ostinato.jobs WHERE queue = 'progress'`
      yield* progress(a, [{ job: stale!, value: 10 }, { job: stale!, value: 20 }])
      assert.deepStrictEqual(yield* said, [{ progress: 20 }])
      yield* takenBack([stale!])
      const [fresh] = yield* claim(b, "progress", 1)
      yield* progress(b, [{ job: fresh!, value: { text: "\u0000" } }])
      yield* progress(a, [{ job: stale!, value: 99 }])
      assert.deepStrictEqual(yield* said, [{ progress: { text: "\uFFFD" } }])
    }))

  it.effect("an attempt that completes in its transaction does so with it: rolled back, it still runs; fenced, nothing stays", () =>
    Effect.gen(function*() {
      const { claim, enqueue, finishTx } = yield* Store
      const sql = yield* PgClient.PgClient
      yield* sql`CREATE TABLE effects (n int)`
      yield* enqueue([job({ queue: "tx", unique: unique("tx") })])
      const a = yield* member()
      const b = yield* member()
      const [stale] = yield* claim(a, "tx", 1)
      const work = (which: typeof a, claimed: Claimed) =>
        Database.transaction(Effect.andThen(
          sql`INSERT INTO effects VALUES (1)`,
          finishTx(which, end(claimed, { output: "done" }))
        ))
      yield* Effect.exit(Database.transaction(Effect.andThen(work(a, stale!), Effect.fail("no"))))
      assert.deepStrictEqual(yield* states("tx"), ["running"])
      yield* takenBack([stale!])
      const [fresh] = yield* claim(b, "tx", 1)
      const lost = yield* Effect.flip(work(a, stale!))
      assert.strictEqual(lost._tag, "LeaseLost")
      yield* work(b, fresh!)
      assert.deepStrictEqual(yield* states("tx"), ["completed"])
      assert.strictEqual((yield* sql`SELECT FROM effects`).length, 1)
      assert.strictEqual((yield* sql`SELECT FROM ostinato.uniq WHERE job_id = ${fresh!.id}::bigint`).length, 0)
    }))
})

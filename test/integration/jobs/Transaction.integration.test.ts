/** Jobs in the caller's transaction, on a real server: they are there when it commits, and only then. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import { Result } from "effect"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import * as Pipeline from "ostinato/core/Pipeline"
import * as Task from "ostinato/core/Task"
import * as JobFilter from "ostinato/jobs/JobFilter"
import * as JobGraph from "ostinato/jobs/JobGraph"
import * as JobQueue from "ostinato/jobs/JobQueue"
import { Database } from "ostinato/store/Database"
import { layer as store } from "./jobs.ts"

const Send = Task.make("send", { payload: { to: Schema.String } })
const Index = Task.make("index", { payload: { space: Schema.String, ids: Schema.Array(Schema.Int) } })
const Two = Pipeline.make("two", { payload: { to: Schema.String } }).pipe(
  Pipeline.stage("first", Send, { input: ({ payload }) => payload }),
  Pipeline.stage("second", Send, { input: ({ payload }) => payload })
)

const count = (queue: string) => JobQueue.count({ ...JobFilter.all, queues: [queue] })

const asText = (value: unknown) => JSON.stringify(value)

class No extends Schema.TaggedError<No>()("No", {}) {}

layer(store, { excludeTestServices: true })("jobs in a transaction", (it) => {
  it.effect("G3 of many transactions, exactly those that commit leave their job", () =>
    Effect.gen(function*() {
      const enqueue = (n: number) =>
        Database.transaction(Effect.gen(function*() {
          yield* JobQueue.enqueueTx(Send, { to: `${n}` }, { queue: "half" })
          if (n % 2 === 0) return yield* new No()
        }))
      yield* Effect.forEach(Array.from({ length: 200 }, (_, n) => n), (n) => Effect.exit(enqueue(n)), {
        concurrency: 8,
        discard: true
      })
      const jobs = yield* JobQueue.query({ ...JobFilter.all, queues: ["half"] }, { limit: 1000 })
      assert.deepStrictEqual(
        jobs.map(({ payload }) => asText(payload)).sort(),
        Array.from({ length: 100 }, (_, n) => asText({ to: `${n * 2 + 1}` })).sort()
      )
    }))

  it.effect("G3 a second client cannot slip outside unnoticed: its transaction is refused with what to do", () =>
    Effect.gen(function*() {
      const { connection } = yield* Database
      const other = yield* Layer.build(PgClient.layer(connection("user")))
      const elsewhere = Effect.provide(
        Database.transaction(JobQueue.enqueueTx(Send, { to: "ada" }, { queue: "elsewhere" })),
        Context.make(SqlClient.SqlClient, Context.get(other, SqlClient.SqlClient))
      )
      const error = yield* Effect.flip(elsewhere)
      assert.strictEqual(error._tag, "OtherTransaction")
      assert.include(error.message, "enqueueTx: the open transaction belongs to another SqlClient")
      assert.strictEqual(yield* count("elsewhere"), 0)
    }).pipe(Effect.scoped))

  it.effect("S2.70 an event that is delivered many times, also at once, has its job once; a rollback leaves none", () =>
    Effect.gen(function*() {
      const at = DateTime.makeUnsafe("2026-11-21T12:00:00Z")
      const handle = (event: string, fails: boolean) =>
        Database.transaction(Effect.gen(function*() {
          const id = JobQueue.idFrom(event, at)
          const answer = yield* JobQueue.enqueueTx(Send, { to: event }, { id, queue: "events" })
          if (fails) return yield* new No()
          return answer
        }))
      yield* Effect.exit(handle("a", true))
      assert.strictEqual(yield* count("events"), 0)
      const answers = yield* Effect.forEach(
        Array.from({ length: 24 }, (_, n) => n),
        (n) => Effect.result(handle("a", n % 3 === 0)),
        { concurrency: 8 }
      )
      const made = answers.filter(Result.isSuccess).filter(({ success }) => !success.duplicate)
      assert.strictEqual(made.length, 1)
      assert.strictEqual(yield* count("events"), 1)
    }))

  it.effect("G10 of concurrent enqueues of a key, half rolled back, exactly one job per key is there", () =>
    Effect.gen(function*() {
      const keys = Array.from({ length: 10 }, (_, n) => `key ${n}`)
      const attempts = keys.flatMap((to) => Array.from({ length: 16 }, (_, n) => ({ to, fails: n % 2 === 0 })))
      const answers = yield* Effect.forEach(
        attempts,
        ({ fails, to }) =>
          Effect.result(Database.transaction(Effect.gen(function*() {
            const answer = yield* JobQueue.enqueueTx(Send, { to }, { queue: "unique", unique: { by: ["to"] } })
            if (fails) return yield* new No()
            return { to, ...answer }
          }))),
        { concurrency: 8 }
      )
      const jobs = yield* JobQueue.query({ ...JobFilter.all, queues: ["unique"] })
      assert.strictEqual(jobs.length, 10)
      const ids = new Map(jobs.map((job) => [asText(job.payload), job.id]))
      for (const { success } of answers.filter(Result.isSuccess)) {
        assert.strictEqual(success.id, ids.get(asText({ to: success.to })))
      }
      assert.strictEqual(answers.filter(Result.isSuccess).filter(({ success }) => !success.duplicate).length, 10)
    }))

  it.effect("concurrent merges of a key lose no payload and leave one job", () =>
    Effect.gen(function*() {
      const merge = (n: number) =>
        JobQueue.enqueue(Index, { space: "docs", ids: [n] }, {
          queue: "merge",
          unique: {
            by: ["space"],
            onConflict: { merge: (held, next) => ({ space: held.space, ids: [...held.ids, ...next.ids] }) }
          }
        })
      const numbers = Array.from({ length: 30 }, (_, n) => n)
      yield* Effect.forEach(numbers, merge, { concurrency: 6, discard: true })
      const jobs = yield* JobQueue.query({ ...JobFilter.all, queues: ["merge"], states: ["available"] })
      assert.strictEqual(jobs.length, 1)
      const payload = yield* Schema.decodeUnknownEffect(Index.payload)(jobs[0]?.payload)
      assert.deepStrictEqual([...payload.ids].sort((a, b) => a - b), numbers)
    }))

  it.effect("a merge in a transaction that rolls back leaves the holder as it was", () =>
    Effect.gen(function*() {
      const options = {
        queue: "kept",
        unique: {
          by: ["space"] as const,
          onConflict: { merge: () => ({ space: "kept", ids: [1, 2] }) }
        }
      }
      const first = yield* JobQueue.enqueue(Index, { space: "kept", ids: [1] }, options)
      yield* Effect.exit(
        Database.transaction(Effect.andThen(JobQueue.enqueue(Index, { space: "kept", ids: [2] }, options), new No()))
      )
      const [job] = yield* JobQueue.query({ ...JobFilter.all, queues: ["kept"] })
      assert.deepInclude(job, { id: first.id, state: "available", payload: { space: "kept", ids: [1] } })
    }))

  it.effect("a graph whose key is held leaves nothing of itself, also within a transaction that goes on", () =>
    Effect.gen(function*() {
      const options = { queue: "graph", unique: { by: ["to"] } } as const
      const first = yield* JobGraph.enqueue(Two, { to: "ada" }, options)
      const second = yield* Database.transaction(Effect.gen(function*() {
        yield* JobQueue.enqueueTx(Send, { to: "bob" }, { queue: "graph" })
        return yield* JobGraph.enqueue(Two, { to: "ada" }, options)
      }))
      assert.deepStrictEqual(second, { id: first.id, duplicate: true })
      assert.strictEqual(yield* count("graph"), 4)
    }))
})

import { assert, layer as withLayer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { Task } from "ostinato"
import type { JobId } from "ostinato/jobs/Job"
import * as JobAttempt from "ostinato/jobs/JobAttempt"
import * as JobQueue from "ostinato/jobs/JobQueue"
import { JobStore } from "ostinato/jobs/JobStore"
import * as JobWorker from "ostinato/jobs/JobWorker"
import { Database } from "ostinato/store/Database"
import * as PostgresCheckpointStore from "ostinato/store/PostgresCheckpointStore"
import { layer } from "./jobs.ts"

class Flaky extends Schema.TaggedError<Flaky>()("Flaky", {}) {}

const stateOf = (id: JobId) => Effect.flatMap(JobStore, (jobs) => Effect.flatMap(jobs.get(id), Effect.fromNullishOr))

/** Waits for what the store tells until the job is in this state. */
const reaches = (id: JobId, state: string) =>
  stateOf(id).pipe(
    Effect.repeat({ schedule: Schedule.spaced("20 millis"), until: (job) => job.state === state }),
    Effect.timeout("20 seconds")
  )

/** A worker of one queue of its own. */
const working = <const Tasks extends ReadonlyArray<JobWorker.Servable>>(queue: string, tasks: Tasks) =>
  JobWorker.layer({ queues: { [queue]: { concurrency: 20 } }, tasks, drain: "2 seconds" })

withLayer(layer, { excludeTestServices: true, timeout: "60 seconds" })("a worker on Postgres", (it) => {
  it.effect("S3.27 a worker that starts during the delay of a retry keeps the delay and the count of attempts", () =>
    Effect.gen(function*() {
      const attempts: Array<number> = []
      const Retried = Task.make("pg.retried", { error: Flaky, retry: Schedule.spaced("1 second") })
      const live = Retried.toLayer(() =>
        Effect.flatMap(JobAttempt.current, (job) => attempts.push(job!.attempt) === 1 ? new Flaky() : Effect.void)
      )
      const { id } = yield* JobQueue.enqueue(Retried, {}, { queue: "retried" })
      const worker = Layer.provide(working("retried", [Retried]), live)
      const before = yield* Effect.provide(reaches(id, "retryable"), worker)
      assert.deepInclude(before, { attempt: 1 })
      const after = yield* Effect.provide(reaches(id, "completed"), worker)
      assert.deepStrictEqual(attempts, [1, 2])
      assert.isAtLeast(after.startedAt!.epochMilliseconds, before.runAt!.epochMilliseconds)
    }))

  it.effect("S2.92 a delayed job starts at its instant, not before, on a worker that starts meanwhile", () =>
    Effect.gen(function*() {
      const Delayed = Task.make("pg.delayed")
      const worker = Layer.provide(working("delayed", [Delayed]), Delayed.toLayer(() => Effect.void))
      const { id } = yield* Effect.provide(
        JobQueue.enqueue(Delayed, {}, { queue: "delayed", delay: "1 second" }),
        worker
      )
      const before = yield* stateOf(id)
      assert.strictEqual(before.state, "scheduled")
      const after = yield* Effect.provide(reaches(id, "completed"), worker)
      assert.isAtLeast(after.startedAt!.epochMilliseconds, before.runAt!.epochMilliseconds)
      assert.deepInclude(after, { attempt: 1, lost: 0 })
    }))

  it.effect("two workers drain a queue, and every job runs once", () =>
    Effect.gen(function*() {
      const runs: Array<number> = []
      const Once = Task.make("pg.once", { payload: { n: Schema.Int }, success: Schema.Int })
      const live = Once.toLayer(({ n }) => Effect.sync(() => runs.push(n)))
      yield* JobQueue.enqueueAll(
        Array.from({ length: 3000 }, (_, n) => JobQueue.job(Once, { n }, { queue: "drained" }))
      )
      const worker = Layer.provide(working("drained", [Once]), live)
      const another = Layer.fresh(worker)
      yield* Effect.gen(function*() {
        const jobs = yield* JobStore
        yield* jobs.queues.pipe(
          Effect.repeat({
            schedule: Schedule.spaced("20 millis"),
            until: (queues) => {
              const counts = queues.find(({ name }) => name === "drained")?.counts
              return counts?.available === 0 && counts.running === 0
            }
          }),
          Effect.timeout("20 seconds")
        )
      }).pipe(Effect.provide([worker, another]))
      assert.deepStrictEqual(runs.sort((a, b) => a - b), Array.from({ length: 3000 }, (_, n) => n))
    }))

  it.effect("completeTx commits the end of the job with what its handler wrote, or neither", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE effects (job text)`
      const Booked = Task.make("pg.booked", {
        payload: { breaks: Schema.Boolean },
        success: Schema.String,
        error: Flaky,
        retry: Schedule.recurs(1)
      })
      const live = Booked.toLayer(({ breaks }) =>
        Effect.gen(function*() {
          const { attempt, id } = (yield* JobAttempt.current)!
          yield* Effect.orDie(Database.transaction(Effect.gen(function*() {
            yield* sql`INSERT INTO effects VALUES (${id})`
            yield* JobAttempt.completeTx("booked")
            if (breaks && attempt === 1) return yield* Effect.die("the connection of the handler's own")
          }))).pipe(Effect.catchDefect(() => new Flaky()))
          return "not looked at"
        })
      )
      const [whole, broken] = yield* JobQueue.enqueueAll(
        [false, true].map((breaks) => JobQueue.job(Booked, { breaks }, { queue: "booked" }))
      )
      yield* Effect.gen(function*() {
        assert.deepInclude(yield* reaches(whole!.id, "completed"), { output: "booked", attempt: 1 })
        assert.deepInclude(yield* reaches(broken!.id, "completed"), { output: "booked", attempt: 2 })
      }).pipe(Effect.provide(Layer.provide(working("booked", [Booked]), live)))
      assert.strictEqual((yield* sql`SELECT * FROM effects`).length, 2)
    }))

  it.effect("completeTx of an attempt that lost its job fails with LeaseLost, and what it wrote is rolled back", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE stale (attempt int)`
      const errors: Array<string> = []
      const Stale = Task.make("pg.stale")
      const live = Stale.toLayer(() =>
        Effect.gen(function*() {
          const { attempt, id } = (yield* JobAttempt.current)!
          // somebody took this worker for dead
          if (attempt === 1) {
            yield* Effect.orDie(sql`UPDATE ostinato.ready SET epoch = epoch + 1 WHERE job_id = ${id}`)
          }
          yield* Effect.orDie(
            Database.transaction(
              Effect.andThen(sql`INSERT INTO stale VALUES (${attempt})`, JobAttempt.completeTx())
            ).pipe(Effect.catchTag("LeaseLost", (error) => Effect.sync(() => errors.push(error._tag))))
          )
        })
      )
      const { id } = yield* JobQueue.enqueue(Stale, {}, { queue: "stale" })
      yield* Effect.suspend(() => errors.length > 0 ? Effect.void : Effect.fail("not yet")).pipe(
        Effect.retry(Schedule.spaced("20 millis")),
        Effect.timeout("20 seconds"),
        Effect.provide(Layer.provide(working("stale", [Stale]), live))
      )
      assert.deepStrictEqual(errors, ["LeaseLost"])
      assert.strictEqual((yield* sql`SELECT * FROM stale`).length, 0)
      assert.notStrictEqual((yield* stateOf(id)).state, "completed")
    }))

  it.effect("G6 a step of an attempt that lost its job and does not know leaves nothing for the next one", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const done: Array<string> = []
      const Stepping = Task.make("pg.stepping")
      const step = (name: string, effect: Effect.Effect<unknown, unknown>) =>
        Effect.orDie(JobAttempt.step(name, Schema.Null, Effect.as(effect, null)))
      const live = Stepping.toLayer(() =>
        Effect.gen(function*() {
          const { id } = (yield* JobAttempt.current)!
          yield* step("before", Effect.void)
          yield* step("after", sql`UPDATE ostinato.ready SET epoch = epoch + 1 WHERE job_id = ${id}`)
          done.push(id)
        })
      )
      const { id } = yield* JobQueue.enqueue(Stepping, {}, { queue: "stepping" })
      yield* Effect.suspend(() => done.length > 0 ? Effect.void : Effect.fail("not yet")).pipe(
        Effect.retry(Schedule.spaced("20 millis")),
        Effect.timeout("20 seconds"),
        Effect.provide(
          working("stepping", [Stepping]).pipe(
            Layer.provide(live),
            Layer.provide(PostgresCheckpointStore.layer())
          )
        )
      )
      const kept = yield* sql<{ key: string }>`SELECT key FROM ostinato.checkpoint`
      assert.deepStrictEqual(kept.map(({ key }) => key.split("/").at(-1)), ["before"])
      assert.deepStrictEqual(done, [id])
    }))
})

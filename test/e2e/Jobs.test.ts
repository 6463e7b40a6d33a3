import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as SqlClient from "effect/sql/SqlClient"
import * as path from "node:path"
import * as Supervisor from "../../src/core/Supervisor.ts"
import { JobId } from "../../src/jobs/Job.ts"
import * as JobQueue from "../../src/jobs/JobQueue.ts"
import * as PostgresJobStore from "../../src/jobs/stores/Postgres.ts"
import { Database } from "../../src/store/Database.ts"
import { Notifier } from "../../src/store/Notifier.ts"
import * as TestDatabase from "../contract/TestDatabase.ts"
import * as ServiceProcess from "./ServiceProcess.ts"
import { Sink } from "./sink.ts"

/** A process with a worker for a queue, or that does something else. */
const jobber = Effect.fnUntraced(function*(...args: ReadonlyArray<string>) {
  const database = yield* Database
  const file = path.join(import.meta.dirname, "jobber.ts")
  return yield* ServiceProcess.start([process.execPath, "--conditions=ostinato:source", file, ...args], {
    env: { DATABASE_URL: Redacted.value(database.url) }
  })
})

const enqueue = (queue: string, name: string, holds: "nothing" | "a moment" | "for ever") =>
  Effect.map(JobQueue.enqueue(Sink, { name, holds }, { queue }), ({ id }) => id)

const ended = (id: JobId) => ServiceProcess.until(JobQueue.get(id), ({ state }) => state === "completed")

const sunk = (names: ReadonlyArray<string>) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    Effect.map(
      sql<{ name: string }>`SELECT name FROM sink WHERE name = ANY(${names}::text[]) ORDER BY name`,
      (rows) => rows.map(({ name }) => name)
    ))

/** The tables, and a store to look with. */
const Live = Layer.effectDiscard(
  Effect.flatMap(SqlClient.SqlClient, (sql) => sql`CREATE TABLE sink (name text PRIMARY KEY)`)
).pipe(
  Layer.provideMerge(Layer.provide(PostgresJobStore.layer(), Notifier.layer())),
  Layer.provideMerge(Supervisor.layer),
  Layer.provideMerge(TestDatabase.layer(PostgresJobStore.migrations))
)

layer(Live, { excludeTestServices: true, timeout: "60 seconds", concurrent: true })("durable jobs", (it) => {
  it.effect(
    "S2.31 a job whose process is killed is run by a new process, and its effect is there once",
    () =>
      Effect.gen(function*() {
        const first = yield* jobber("work", "killed")
        const id = yield* enqueue("killed", "kept", "for ever")
        yield* first.line("begins kept, attempt 1")
        yield* ServiceProcess.until(sunk(["kept"]), (names) => names.length === 1)
        yield* first.signal("SIGKILL")
        yield* first.ended
        const second = yield* jobber("work", "killed")
        yield* second.line("begins kept, attempt 2")
        const job = yield* ended(id)
        assert.deepInclude(job, { attempt: 2, lost: 1 })
        assert.deepStrictEqual(yield* sunk(["kept"]), ["kept"])
      }),
    120_000
  )

  it.effect(
    "S2.13 a restart loses what runs and waits in a pool, and no job",
    () =>
      Effect.gen(function*() {
        const pool = yield* jobber("pool")
        yield* pool.line("begins pool-1, attempt 1")
        const worker = yield* jobber("work", "restarted")
        const ids = yield* Effect.all([
          enqueue("restarted", "job-1", "for ever"),
          enqueue("restarted", "job-2", "for ever"),
          enqueue("restarted", "job-3", "nothing")
        ])
        // two slots: the third waits
        yield* worker.line("begins job-1, attempt 1")
        yield* worker.line("begins job-2, attempt 1")
        for (const program of [pool, worker]) {
          yield* program.signal("SIGKILL")
          yield* program.ended
        }
        const again = yield* jobber("pool")
        yield* jobber("work", "restarted")
        yield* Effect.forEach(ids, ended)
        yield* again.line("begins pool-1, attempt 1")
        // the pool's own work began anew, from nothing, and its second run was never there
        assert.deepStrictEqual(yield* sunk(["job-1", "job-2", "job-3", "pool-2"]), ["job-1", "job-2", "job-3"])
      }),
    120_000
  )

  it.effect(
    "S1.21 of two processes that enqueue at once one makes the job; when its worker is killed the key is free once it is done",
    () =>
      Effect.gen(function*() {
        const both = yield* Effect.all([jobber("enqueue", "shared", "only"), jobber("enqueue", "shared", "only")])
        const said = yield* Effect.forEach(both, (one) => Effect.as(one.ended, one))
        const answers = said.map((one) => one.stdout().trim().split("\n").at(-1)?.split(" ") ?? [])
        assert.sameMembers(answers.map(([, what]) => what ?? ""), ["duplicate", "new"])
        assert.strictEqual(answers[0]?.[0], answers[1]?.[0])

        const first = yield* jobber("work", "shared")
        yield* first.line("begins only, attempt 1")
        yield* first.signal("SIGKILL")
        yield* first.ended
        const id = JobId.make(answers[0]?.[0] ?? "")
        const held = yield* JobQueue.enqueue(Sink, { name: "only", holds: "for ever" }, {
          queue: "shared",
          unique: { by: ["name"] }
        })
        assert.deepStrictEqual(held, { id, duplicate: true })
        yield* jobber("work", "shared")
        yield* ended(id)
        const next = yield* JobQueue.enqueue(Sink, { name: "only", holds: "for ever" }, {
          queue: "shared",
          unique: { by: ["name"] }
        })
        assert.isFalse(next.duplicate)
      }),
    120_000
  )

  it.effect(
    "S3.20 a worker that is told to stop ends what it runs, and leaves what waits to the next one, unspent",
    () =>
      Effect.gen(function*() {
        const first = yield* jobber("work", "stopped")
        const ids = yield* Effect.forEach(
          ["busy-1", "busy-2", "waiting-1", "waiting-2"],
          (name) => enqueue("stopped", name, "a moment")
        )
        yield* first.line("begins busy-1, attempt 1")
        yield* first.line("begins busy-2, attempt 1")
        yield* first.signal("SIGTERM")
        const { code } = yield* first.ended
        assert.include([0, 130], code)
        const jobs = yield* Effect.forEach(ids, (id) => JobQueue.get(id))
        assert.deepStrictEqual(
          jobs.map(({ attempt, state }) => [state, attempt]),
          [["completed", 1], ["completed", 1], ["available", 0], ["available", 0]]
        )
        yield* jobber("work", "stopped")
        const rest = yield* Effect.forEach(ids.slice(2), ended)
        assert.deepStrictEqual(rest.map(({ attempt, lost }) => [attempt, lost]), [[1, 0], [1, 0]])
      }),
    120_000
  )
})

/**
 * A program with durable jobs and a pool, told what to do by its arguments: `work QUEUE` serves a queue until it is told to
 * stop, `enqueue QUEUE NAME` makes one job that holds a unique key until it is done.
 *
 * A job writes its name into the table `sink`, which takes a name once, and then waits where its first attempt is told to.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Config from "effect/Config"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import { Attempt, Dispatch, MemoryRunLog, Supervisor, TaskPool } from "ostinato"
import { JobQueue, JobWorker } from "ostinato/jobs"
import * as PostgresJobStore from "ostinato/jobs/stores/Postgres"
import { Database } from "ostinato/store/Database"
import * as Migration from "ostinato/store/Migration"
import { Notifier } from "ostinato/store/Notifier"
import { Sink } from "./sink.ts"

const SinkLive = Sink.toLayer(({ holds, name }) =>
  Effect.gen(function*() {
    const { number } = yield* Attempt.Attempt
    const sql = yield* SqlClient.SqlClient
    yield* Console.error(`begins ${name}, attempt ${number}`)
    yield* sql`INSERT INTO sink (name) VALUES (${name}) ON CONFLICT DO NOTHING`
    if (holds === "for ever" && number === 1) return yield* Effect.never
    if (holds === "a blink") yield* Effect.sleep("20 millis")
    if (holds === "a moment") yield* Effect.sleep("1500 millis")
    if (holds === "the gate") {
      yield* Effect.repeat(Effect.delay(sql`SELECT FROM sink WHERE name = 'gate'`, "20 millis"), {
        until: (rows) => rows.length > 0
      })
    }
    yield* Console.error(`ends ${name}`)
  }).pipe(Effect.orDie)
)

const [mode = "", queue = "", name = ""] = process.argv.slice(2)

const Store = Layer.unwrap(Effect.gen(function*() {
  const url = yield* Config.Redacted("DATABASE_URL")
  return PostgresJobStore.layer().pipe(
    Layer.provide(Layer.effectDiscard(Migration.run(PostgresJobStore.migrations))),
    Layer.provide(Notifier.layer()),
    Layer.provideMerge(Database.layer({ url, directory: "unused" })),
    Layer.provideMerge(Supervisor.layer)
  )
}))

type Requirements = Layer.Success<typeof Store>

const work = Layer.launch(
  JobWorker.layer({ queues: { [queue]: { concurrency: 2, prefetch: 0 } }, tasks: [Sink], drain: "10 seconds" }).pipe(
    Layer.provide(SinkLive)
  )
)

const enqueue = Effect.flatMap(
  JobQueue.enqueue(Sink, { name, holds: "for ever" }, { queue, unique: { by: ["name"] } }),
  ({ duplicate, id }) => Console.log(`${id} ${duplicate ? "duplicate" : "new"}`)
)

/** The same work without durability: two runs in a pool of one. */
const pool = Effect.gen(function*() {
  const pool = yield* TaskPool.make({ name: "test", capacity: 1 })
  for (const name of ["pool-1", "pool-2"]) {
    yield* Dispatch.pool(pool)(Sink, { name, holds: "for ever" }, { kind: "code" })
  }
  return yield* Effect.never
}).pipe(Effect.provide([SinkLive, MemoryRunLog.layer()]))

const programs = { work, enqueue, pool: Effect.scoped(pool) }

if (mode === "work" || mode === "enqueue" || mode === "pool") {
  const program: Effect.Effect<void, unknown, Requirements> = programs[mode]
  NodeRuntime.runMain(Effect.provide(program, Layer.provideMerge(Store, NodeServices.layer)))
}

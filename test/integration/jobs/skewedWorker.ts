/**
 * A process that enqueues a job for in a second and works. Says `clock` with what it takes for the time, and `began` with
 * the name and attempt of each job; one whose name is `stuck` never ends. Arguments: URL of the database, its own name.
 */
// @effect-diagnostics preferSchemaOverJson:off -- what it says is for one test
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as Supervisor from "../../../src/core/Supervisor.ts"
import * as JobAttempt from "../../../src/jobs/JobAttempt.ts"
import * as JobQueue from "../../../src/jobs/JobQueue.ts"
import * as JobWorker from "../../../src/jobs/JobWorker.ts"
import * as JobPostgres from "../../../src/jobs/stores/Postgres.ts"
import { Database } from "../../../src/store/Database.ts"
import { Notifier } from "../../../src/store/Notifier.ts"
import { Timely } from "./timely.ts"

const [url = "", node = ""] = process.argv.slice(2)

const say = (event: object) => Effect.sync(() => void process.stdout.write(`${JSON.stringify(event)}\n`))

const handler = Timely.toLayer(({ name }) =>
  Effect.gen(function*() {
    const job = yield* JobAttempt.current
    yield* say({ event: "began", name, attempt: job?.attempt })
    if (name === "stuck") return yield* Effect.never
  })
)

const own = Layer.effectDiscard(Effect.gen(function*() {
  yield* say({ event: "clock", now: yield* Clock.currentTimeMillis })
  yield* JobQueue.enqueue(
    Timely,
    { name: `of ${node}` },
    { queue: "timely", delay: "1 second", deadline: "10 minutes" }
  )
}))

const worker = Layer.merge(own, JobWorker.layer({ queues: { timely: { concurrency: 5 } }, tasks: [Timely], node }))
  .pipe(
    Layer.provide(handler),
    Layer.provide(JobPostgres.layer()),
    Layer.provide(Notifier.layer()),
    Layer.provide(Supervisor.layer),
    Layer.provide(Database.layer({ url: Redacted.make(url), directory: "/nonexistent" })),
    Layer.provide(NodeServices.layer),
    // the lines on stdout are for whoever started this
    Layer.provide(Logger.layer([]))
  )

NodeRuntime.runMain(Layer.launch(worker))

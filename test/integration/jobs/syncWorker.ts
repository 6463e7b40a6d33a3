/** A process that works on the pipeline of `sync.ts` and never ends what its second argument names; to be killed. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Supervisor from "../../../src/core/Supervisor.ts"
import * as JobGraph from "../../../src/jobs/JobGraph.ts"
import * as JobWorker from "../../../src/jobs/JobWorker.ts"
import * as JobPostgres from "../../../src/jobs/stores/Postgres.ts"
import { Database } from "../../../src/store/Database.ts"
import { Notifier } from "../../../src/store/Notifier.ts"
import { handlers, Sync } from "./sync.ts"

const [url = "", stuck] = process.argv.slice(2)

const say = (line: string) => Effect.sync(() => void process.stdout.write(`${line}\n`))

const worker = JobWorker.layer({ queues: { sync: {} }, tasks: JobGraph.tasks(Sync), node: "killed" }).pipe(
  Layer.provide(handlers((name) => say(`began ${name}`), stuck)),
  Layer.provide(JobPostgres.layer()),
  Layer.provide(Notifier.layer()),
  Layer.provide(Supervisor.layer),
  Layer.provide(Database.layer({ url: Redacted.make(url), directory: "/nonexistent" })),
  Layer.provide(NodeServices.layer)
)

NodeRuntime.runMain(Layer.launch(worker))

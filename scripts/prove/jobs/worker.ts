/**
 * One worker of the suite `jobs`. It is killed, stopped and cut off without warning, and started again.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Supervisor from "ostinato/core/Supervisor"
import type { JobId } from "ostinato/jobs/Job"
import * as JobWorker from "ostinato/jobs/JobWorker"
import * as PostgresJobStore from "ostinato/jobs/stores/Postgres"
import { Database } from "ostinato/store/Database"
import * as Lease from "ostinato/store/Lease"
import * as Migration from "ostinato/store/Migration"
import { Notifier } from "ostinato/store/Notifier"
import { writer } from "../ledger.ts"
import { handler } from "./handler.ts"
import { Line, queue } from "./model.ts"
import * as recorded from "./recorded.ts"
import { Work } from "./work.ts"

const Main = Layer.unwrap(Effect.gen(function*() {
  const url = yield* Config.Redacted("DATABASE_URL")
  const node = yield* Config.String("PROVE_NODE")
  const write = writer(Line, yield* Config.String("PROVE_LEDGER"))
  const epochs = new Map<JobId, number>()
  return JobWorker.layer({ queues: { [queue]: { concurrency: 10 } }, tasks: [Work], drain: "6 seconds", node }).pipe(
    Layer.provide(handler({ proc: node, write, epochs })),
    Layer.provide(recorded.layer(node, write, epochs)),
    Layer.provide(PostgresJobStore.layer()),
    Layer.provide(Layer.effectDiscard(Effect.forEach([Lease.migrations, PostgresJobStore.migrations], Migration.run))),
    Layer.provide(Notifier.layer()),
    Layer.provide(Database.layer({ url, directory: "unused", node })),
    Layer.provide(Supervisor.layer)
  )
}))

NodeRuntime.runMain(Layer.launch(Main.pipe(Layer.provide(NodeServices.layer))))

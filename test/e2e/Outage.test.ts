import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { TaskRun } from "../../src/core/TaskRun.ts"
import { EmbeddedPostgres } from "../../src/store/EmbeddedPostgres.ts"
import * as Proxy from "../integration/store/proxy.ts"
import * as History from "./History.ts"
import * as ServiceProcess from "./ServiceProcess.ts"

const Runs = Schema.Struct({ items: Schema.Array(TaskRun) })

/** A server that belongs to none of the services. */
const Server = Layer.unwrap(
  Effect.map(ServiceProcess.usedDirectory, (directory) => EmbeddedPostgres.layer({ directory }))
)

layer(Server.pipe(Layer.provideMerge(NodeServices.layer)), { excludeTestServices: true, timeout: "60 seconds" })(
  "a service whose database goes away",
  (it) => {
    it.effect("S1.23 lives, says that it is not ready, and goes on by itself: the run in flight ends, the schedule ticks", () =>
      Effect.gen(function*() {
        const { connection, url } = yield* EmbeddedPostgres
        const way = yield* Proxy.listen(connection.path)
        const there = { data: yield* ServiceProcess.dataDirectory, repository: yield* History.repository }
        const gate = yield* ServiceProcess.gate()
        const service = yield* ServiceProcess.serve(there, {
          env: {
            DATABASE_URL: Proxy.url(url, way.port),
            PATH: gate.folder,
            TASK_SCHEDULER_INTERVAL: "1"
          }
        })
        const git = yield* gate.reached
        const answers = (path: string) =>
          Effect.map(ServiceProcess.get(`${service.url}${path}`), ({ status }) => status)
        yield* way.cut
        yield* ServiceProcess.until(answers("/readyz"), (status) => status === 503)
        assert.strictEqual(yield* answers("/livez"), 200)
        yield* git.open
        yield* way.restore
        yield* ServiceProcess.until(answers("/readyz"), (status) => status === 200)
        const all = yield* ServiceProcess.until(
          ServiceProcess.getJson(`${service.url}/api/v1/runs`, Runs),
          ({ items }) => items.length >= 3 && items.filter(({ finishedAt }) => finishedAt !== null).length >= 2
        )
        assert.isEmpty(all.items.filter(({ status }) => status === "abandoned"))
        yield* service.signal("SIGTERM")
        assert.deepStrictEqual(yield* service.ended, { code: 0, signal: null })
      }))
  }
)

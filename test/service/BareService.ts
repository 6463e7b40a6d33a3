/** A service of an application of nothing much, and others beside it on its database. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { Task } from "ostinato"
import { CheckpointStore } from "ostinato/core/CheckpointStore"
import * as JobFilter from "ostinato/jobs/JobFilter"
import * as JobQueue from "ostinato/jobs/JobQueue"
import * as AppModule from "ostinato/service/AppModule"
import * as Service from "ostinato/service/Service"
import * as ServiceConfig from "ostinato/service/ServiceConfig"
import { Database } from "ostinato/store/Database"
import * as ServiceProcess from "../e2e/ServiceProcess.ts"

/** A task that goes on until it is stopped. */
export const Endless = Task.make("bare.endless", { payload: { n: Schema.Int } })

/**
 * An application of nothing but its tables, a job that does not end, two queries, one of which waits while somebody holds
 * a lock, an endpoint that fails, and two that find nothing, of which one says so in its own way.
 */
const bare = {
  name: "bare",
  migrations: { name: "bare", schema: "bare", steps: {} },
  layer: Endless.toLayer(() => Effect.never),
  tasks: [],
  schedules: [],
  jobs: { queues: { bare: { concurrency: 2 } }, tasks: [AppModule.job(Endless, { enqueue: { queue: "bare" } })] },
  routes: HttpRouter.use((router) =>
    Effect.flatMap(SqlClient.SqlClient, (sql) =>
      Effect.all([
        router.add(
          "GET",
          "/slow",
          Effect.orDie(Effect.as(sql`SELECT pg_advisory_xact_lock_shared(7)`, HttpServerResponse.text("done")))
        ),
        router.add("GET", "/api/v1/bare/broken", Effect.die(new Error("canary"))),
        router.add("GET", "/api/v1/bare/nothing", Effect.succeed(HttpServerResponse.empty({ status: 404 }))),
        router.add("GET", "/api/v1/bare/told", Effect.succeed(HttpServerResponse.text("none left", { status: 404 }))),
        router.add("GET", "/quick", Effect.orDie(Effect.as(sql`SELECT 1`, HttpServerResponse.text("done"))))
      ], { discard: true }))
  )
}

const Config = Layer.effect(
  ServiceConfig.ServiceConfig,
  Effect.gen(function*() {
    const files = yield* FileSystem.FileSystem
    const directory = yield* files.makeTempDirectoryScoped({ prefix: "ostinato-test-" })
    // the server's account has to pass through
    yield* files.chmod(directory, 0o711)
    return { ...yield* ServiceConfig.load, port: 0, databaseUrl: undefined, directory }
  })
)

export const Bare = Service.layer(bare).pipe(
  Layer.provide([Config, NodeHttpServer.layerHttpServices, Logger.layer([])]),
  Layer.provideMerge(NodeServices.layer)
)

/** An application that keeps how far it has come. */
const keeping = {
  ...bare,
  layer: Layer.merge(
    bare.layer,
    Layer.effectDiscard(Effect.flatMap(CheckpointStore, (store) => store.save("keeping", { at: 7 })))
  )
}

/** A second service, on the database of the first, whose schedules are disabled. */
export const beside = Effect.fnUntraced(function*(schema: string, role: ServiceConfig.Role = "all") {
  const { url } = yield* Database
  const config = Layer.effect(
    ServiceConfig.ServiceConfig,
    Effect.map(ServiceConfig.load, (config) => ({
      ...config,
      port: 0,
      databaseUrl: url,
      directory: "/nonexistent",
      schema,
      role,
      schedulerEnabled: false
    }))
  )
  const services = yield* Layer.build(Layer.fresh(
    Service.layer(keeping).pipe(Layer.provide([config, NodeHttpServer.layerHttpServices, Logger.layer([])]))
  ))
  return HttpServer.formatAddress(Context.get(services, HttpServer.HttpServer).address)
})

/** Ends all jobs, so that nothing of them is there for the next test. */
export const stopped = Effect.gen(function*() {
  const filter = yield* JobFilter.parse("task:bare.endless state:scheduled,available,running")
  yield* JobQueue.cancel(filter)
  yield* ServiceProcess.until(JobQueue.count(filter), (left) => left === 0)
}).pipe(Effect.orDie)

/**
 * The service: one application on its database, with schedules, HTTP API, page, health and metrics.
 *
 * Built from the database up, stopped in the opposite order: schedules stop and drain first, while health answers 503
 * and everything else still answers; then HTTP; then the connections; an embedded server last.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { createServer } from "node:http"
import * as Supervisor from "../core/Supervisor.ts"
import * as PostgresScheduleStore from "../schedule/stores/Postgres.ts"
import * as TaskScheduler from "../schedule/TaskScheduler.ts"
import { Database } from "../store/Database.ts"
import * as Migration from "../store/Migration.ts"
import { Notifier } from "../store/Notifier.ts"
import * as PostgresCheckpointStore from "../store/PostgresCheckpointStore.ts"
import * as PostgresRunLog from "../store/PostgresRunLog.ts"
import * as AdminHandlers from "./AdminHandlers.ts"
import type { AppModule } from "./AppModule.ts"
import * as Health from "./Health.ts"
import * as HostGuard from "./HostGuard.ts"
import * as Metrics from "./Metrics.ts"
import * as NotFound from "./NotFound.ts"
import * as Page from "./Page.ts"
import { ServiceConfig } from "./ServiceConfig.ts"

/**
 * The port that was asked for could not be opened.
 *
 * @category errors
 */
export class PortUnavailable extends Schema.TaggedError<PortUnavailable>()("PortUnavailable", {
  host: Schema.String,
  port: Schema.Int,
  detail: Schema.String
}) {
  override get message() {
    return `cannot listen on ${this.host}:${this.port}: ${this.detail}. Stop what listens there or set OSTINATO_PORT`
  }
}

/**
 * An application with what it runs on: database, log of runs, schedules, checkpoints, notifications, handlers. No schedule
 * fires and no port is open.
 *
 * @category layers
 */
export const layerApp = <Provides, E>(app: AppModule<Provides, E>, options?: {
  /** Use the embedded server that another process runs instead of refusing to start. Defaults to `false`. */
  readonly join?: boolean | undefined
}) =>
  app.layer.pipe(
    Layer.provideMerge(Layer.unwrap(Effect.gen(function*() {
      const { exclusive } = yield* Database
      for (const line of [...lines, app.migrations]) {
        const applied = yield* Migration.run(line)
        if (applied.length > 0) {
          yield* Effect.logInfo(`tables of ${line.name} brought up to date: ${applied.join(", ")}`)
        }
      }
      return Layer.mergeAll(
        PostgresRunLog.layer({ exclusive }),
        PostgresScheduleStore.layer({ exclusive }),
        PostgresCheckpointStore.layer()
      ).pipe(Layer.provideMerge(Notifier.layer()))
    }))),
    Layer.provideMerge(Layer.unwrap(Effect.map(
      ServiceConfig,
      ({ databaseUrl: url, directory, schema }) => Database.layer({ url, directory, schema, join: options?.join })
    ))),
    Layer.provideMerge(Supervisor.layer)
  )

/** The tables of the house. */
const lines = [PostgresRunLog.migrations, PostgresScheduleStore.migrations, PostgresCheckpointStore.migrations]

/**
 * The whole service. Ready when the Layer is built.
 *
 * @category layers
 */
export const layer = <Provides, E>(app: AppModule<Provides, E>) => {
  const Routes = Layer.mergeAll(
    AdminHandlers.layer,
    app.routes,
    Health.layer,
    NotFound.layer,
    Metrics.layer(app.refreshMetrics ?? Effect.void),
    app.page === undefined ? Layer.empty : Page.layer(app.page)
  ).pipe(
    Layer.provide(HttpApiMiddleware.layerProblemDetails({ includeDetails: true })),
    Layer.provide([Page.layerSecurityHeaders, HostGuard.layer])
  )
  const Http = HttpRouter.serve(Routes, { disableListenLog: true, disableLogger: true }).pipe(
    Layer.provideMerge(Server)
  )
  const Scheduler = Layer.unwrap(
    Effect.map(
      ServiceConfig,
      (config) => TaskScheduler.layer(app.schedules, { drain: config.drain, enabled: config.schedulerEnabled })
    )
  )
  return Started.pipe(Layer.provideMerge(Http), Layer.provideMerge(Scheduler), Layer.provideMerge(layerApp(app)))
}

// answers that are under way get a second; then connections are cut, or one half-sent request would hold up the end
const Server = Layer.unwrap(Effect.map(ServiceConfig, ({ host, port }) => {
  const server = createServer({ headersTimeout: 10_000, requestTimeout: 30_000, maxHeaderSize: 16_384 })
  return Layer.effectDiscard(Effect.addFinalizer(() => Effect.sync(() => server.closeAllConnections()))).pipe(
    Layer.provideMerge(NodeHttpServer.layer(() => server, { host, port, gracefulShutdownTimeout: "1 second" })),
    Layer.catchTag(
      "ServeError",
      (error) =>
        Layer.effect(
          HttpServer.HttpServer,
          Effect.fail(new PortUnavailable({ host, port, detail: reason(error.cause) }))
        )
    )
  )
}))

const reason = (cause: unknown) =>
  !Predicate.hasProperty(cause, "code")
    ? String(cause)
    : cause.code === "EADDRINUSE"
    ? "another process listens there"
    : cause.code === "EACCES"
    ? "this user may not use that port"
    : String(cause.code)

const Started = Layer.effectDiscard(Effect.gen(function*() {
  const config = yield* ServiceConfig
  const scheduler = yield* TaskScheduler.TaskScheduler
  const server = yield* HttpServer.HttpServer
  yield* Effect.logInfo(`listening on ${HttpServer.formatAddress(server.address)}`)
  if (!config.schedulerEnabled) yield* Effect.logInfo("schedules are disabled by TASK_SCHEDULER_ENABLED")
  yield* Effect.acquireRelease(scheduler.start, () => scheduler.stop)
  yield* Effect.addFinalizer(() =>
    Effect.logInfo(`stopping: no new run begins, those in flight may go on for ${Duration.format(config.drain)}`)
  )
}))

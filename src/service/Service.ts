/**
 * The service: one application on its database, with schedules, HTTP API, page, health and metrics.
 *
 * Built from the database up, the worker last, when the port is open. Stopped in the opposite order: schedules and worker
 * stop and drain first, at the same time, while health answers 503 and everything else still answers; then HTTP; then
 * the connections; an embedded server last.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as ByteSize from "effect/ByteSize"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { createServer } from "node:http"
import { hostname } from "node:os"
import { pid } from "node:process"
import * as Supervisor from "../core/Supervisor.ts"
import * as RequestRegistry from "../http/RequestRegistry.ts"
import * as JobMaintenance from "../jobs/JobMaintenance.ts"
import * as JobWorker from "../jobs/JobWorker.ts"
import * as PostgresJobStore from "../jobs/stores/Postgres.ts"
import * as PostgresScheduleStore from "../schedule/stores/Postgres.ts"
import * as TaskScheduler from "../schedule/TaskScheduler.ts"
import { Database } from "../store/Database.ts"
import * as Lease from "../store/Lease.ts"
import * as Migration from "../store/Migration.ts"
import { Notifier } from "../store/Notifier.ts"
import * as PostgresCheckpointStore from "../store/PostgresCheckpointStore.ts"
import * as PostgresRunLog from "../store/PostgresRunLog.ts"
import * as AdminHandlers from "./AdminHandlers.ts"
import * as AllowedMethods from "./AllowedMethods.ts"
import type { AppModule } from "./AppModule.ts"
import { CurrentWorker } from "./CurrentWorker.ts"
import * as Health from "./Health.ts"
import * as HostGuard from "./HostGuard.ts"
import * as unreadable from "./internal/unreadable.ts"
import * as InvalidRequest from "./InvalidRequest.ts"
import * as JobGauges from "./JobGauges.ts"
import * as JobRuns from "./JobRuns.ts"
import * as Metrics from "./Metrics.ts"
import * as Page from "./Page.ts"
import * as ProblemAnswers from "./ProblemAnswers.ts"
import { type Role, ServiceConfig } from "./ServiceConfig.ts"
import * as TableGauges from "./TableGauges.ts"

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
 * An application with what it runs on: database, log of runs with the jobs in it, jobs, schedules, checkpoints,
 * notifications, handlers. No schedule fires, no job runs and no port is open.
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
        JobRuns.layer.pipe(Layer.provide(PostgresRunLog.layer({ exclusive }))),
        PostgresScheduleStore.layer({ exclusive }),
        PostgresCheckpointStore.layer()
      ).pipe(Layer.provideMerge(PostgresJobStore.layer({ exclusive })), Layer.provideMerge(Notifier.layer()))
    }))),
    Layer.provideMerge(Layer.unwrap(Effect.map(
      ServiceConfig,
      ({ databaseUrl: url, directory, schema }) => Database.layer({ url, directory, schema, join: options?.join })
    ))),
    Layer.provideMerge(Supervisor.layer)
  )

/** The tables of the house. */
const lines = [
  PostgresRunLog.migrations,
  PostgresScheduleStore.migrations,
  PostgresCheckpointStore.migrations,
  Lease.migrations,
  PostgresJobStore.migrations
]

/**
 * The whole service. Ready when the Layer is built.
 *
 * @category layers
 */
export const layer = <Provides, E>(app: AppModule<Provides, E>) => {
  const Operating = Layer.mergeAll(Health.layer, Figures(app.refreshMetrics ?? Effect.void))
  const Api = Layer.mergeAll(
    AdminHandlers.layer(app.jobs?.tasks ?? []),
    app.routes,
    app.page === undefined ? Layer.empty : Page.layer(app.page)
  ).pipe(Layer.provide([InvalidRequest.layer, RequestRegistry.layerTracked]))
  const Routes = Layer.unwrap(
    Effect.map(ServiceConfig, ({ role }) => isOf(role, "api") ? Layer.merge(Operating, Api) : Operating)
  ).pipe(
    Layer.provide(ProblemAnswers.layer),
    Layer.provide([Page.layerSecurityHeaders, HostGuard.layer]),
    Layer.provide(AllowedMethods.layer)
  )
  const Http = HttpRouter.serve(Routes, {
    disableListenLog: true,
    disableLogger: true,
    routerConfig: AllowedMethods.routerConfig
  }).pipe(
    Layer.provide(Layer.succeed(HttpIncomingMessage.MaxBodySize, ByteSize.mebibytes(4))),
    // the drain of a queue may be waited for for five minutes
    Layer.provideMerge(RequestRegistry.layer({ timeout: "6 minutes", timeoutStatus: 503 })),
    Layer.provideMerge(Server)
  )
  const Scheduler = Layer.unwrap(
    Effect.map(
      ServiceConfig,
      ({ drain, role, schedulerEnabled }) =>
        TaskScheduler.layer(app.schedules, { drain, enabled: schedulerEnabled && isOf(role, "scheduler") })
    )
  )
  return Started.pipe(
    Layer.provideMerge(Worker(app)),
    Layer.provideMerge(Http),
    Layer.provideMerge(Scheduler),
    Layer.provideMerge(CurrentWorker.layer),
    Layer.provideMerge(layerApp(app))
  )
}

/** Whether a process of this role does that part of the work. */
const isOf = (role: Role, part: Exclude<Role, "all">) => role === "all" || role === part

const Figures = <R>(ofApp: Effect.Effect<void, never, R>) =>
  Layer.unwrap(Effect.gen(function*() {
    const jobs = yield* JobGauges.make
    const tables = yield* TableGauges.make
    return Metrics.layer(Effect.all([ofApp, jobs, tables], { discard: true }))
  }))

/** The worker, as role and queues say; where there is none, the process still does what any node may do for jobs. */
const Worker = <Provides, E>({ jobs }: AppModule<Provides, E>) =>
  Layer.unwrap(Effect.map(ServiceConfig, ({ drain, queues: named, role }) => {
    const queues = named === undefined
      ? jobs?.queues ?? {}
      : Object.fromEntries(
        Object.entries(named).map(([name, concurrency]) => [name, { ...jobs?.queues[name], concurrency }])
      )
    if (jobs === undefined || !isOf(role, "worker") || Object.keys(queues).length === 0) {
      return Layer.merge(
        JobMaintenance.layer(),
        Layer.effectDiscard(Effect.flatMap(CurrentWorker, (current) => current.set("none")))
      )
    }
    const worker = JobWorker.layer({
      queues,
      tasks: jobs.tasks.map(({ serving }) => serving),
      drain,
      node: `${hostname()}:${pid}`
    })
    return Layer.effectDiscard(Effect.gen(function*() {
      yield* (yield* CurrentWorker).set(yield* JobWorker.JobWorker)
      yield* Effect.logInfo(`works on ${Object.keys(queues).join(", ")}`)
    })).pipe(Layer.provide(worker))
  }))

// answers that are under way get a second; then connections are cut, or one half-sent request would hold up the end
const Server = Layer.unwrap(Effect.map(ServiceConfig, ({ host, port }) => {
  const server = createServer({ headersTimeout: 10_000, requestTimeout: 30_000, maxHeaderSize })
  unreadable.tell(server, maxHeaderSize)
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

const maxHeaderSize = 16_384

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
  const worker = yield* CurrentWorker
  const server = yield* HttpServer.HttpServer
  if (!config.schedulerEnabled) yield* Effect.logInfo("schedules are disabled by TASK_SCHEDULER_ENABLED")
  const stopWorker = Effect.flatMap(
    worker.get,
    (current) => current === null || current === "none" ? Effect.void : Effect.asVoid(current.stop)
  )
  yield* Effect.acquireRelease(
    scheduler.start,
    () => Effect.all([scheduler.stop, stopWorker], { concurrency: 2, discard: true })
  )
  yield* Effect.logInfo(`listening on ${HttpServer.formatAddress(server.address)}`)
  yield* Effect.addFinalizer(() =>
    Effect.logInfo(`stopping: no new run begins, those in flight may go on for ${Duration.format(config.drain)}`)
  )
}))

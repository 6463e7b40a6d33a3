/**
 * `ostinato serve`: the service in the foreground, until a signal asks it to stop.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { uptime } from "node:process"
import type { QueueList } from "ostinato/service/QueueList"
import * as Service from "ostinato/service/Service"
import { type Role, ServiceConfig } from "ostinato/service/ServiceConfig"
import { Database } from "ostinato/store/Database"
import * as Application from "../Application.ts"
import * as Signals from "../Signals.ts"

/** What the command line says in place of the environment. */
interface Wish {
  readonly role: Option.Option<Role>
  readonly queues: Option.Option<QueueList>
}

/** Runs until it is interrupted, or until an embedded server is lost. */
export const serve = ({ queues, role }: Wish) =>
  Effect.updateService(run, ServiceConfig, (config) => ({
    ...config,
    role: Option.getOrElse(role, () => config.role),
    queues: Option.getOrElse(queues, () => config.queues)
  }))

const run = Effect.gen(function*() {
  yield* Signals.stopIsSuccess
  const app = yield* Application.load
  const ready = Effect.gen(function*() {
    const database = yield* Database
    const server = yield* HttpServer.HttpServer
    yield* Effect.logInfo(
      `ready in ${Math.round(uptime() * 1000)} ms: ${HttpServer.formatAddress(server.address)} on ${database.describe}`
    )
    return yield* database.awaitExit
  })
  return yield* Effect.scoped(Effect.flatMap(
    Layer.build(Service.layer(app).pipe(Layer.provide(NodeHttpServer.layerHttpServices))),
    (context) => Effect.provideContext(ready, context)
  )).pipe(Effect.onInterrupt(() => Effect.logInfo("stopped")))
})

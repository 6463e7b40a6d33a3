import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Service from "ostinato/service/Service"
import * as ServiceConfig from "ostinato/service/ServiceConfig"
import * as ServiceProcess from "../e2e/ServiceProcess.ts"

/** An application of nothing but its tables. */
const bare = {
  name: "bare",
  migrations: { name: "bare", schema: "bare", steps: {} },
  layer: Layer.empty,
  tasks: [],
  schedules: [],
  routes: Layer.empty
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

const Bare = Service.layer(bare).pipe(
  Layer.provide([Config, NodeHttpServer.layerHttpServices, Logger.layer([])]),
  Layer.provideMerge(NodeServices.layer)
)

layer(Bare, { excludeTestServices: true, timeout: "60 seconds" })("Service", (it) => {
  it.effect("serves an application without a page and without metrics of its own", () =>
    Effect.gen(function*() {
      const { address } = yield* HttpServer.HttpServer
      const url = HttpServer.formatAddress(address)
      const status = (path: string) => Effect.map(ServiceProcess.get(url + path), ({ status }) => status)
      assert.deepStrictEqual(
        yield* Effect.forEach(["/readyz", "/metrics", "/api/v1/runs", "/", "/assets/x.js"], status),
        [200, 200, 200, 404, 404]
      )
    }))
})

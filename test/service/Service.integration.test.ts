import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { Dispatch, Task } from "ostinato"
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
  routes: HttpRouter.use((router) =>
    Effect.flatMap(
      SqlClient.SqlClient,
      (sql) =>
        router.add("GET", "/sleep", Effect.orDie(Effect.as(sql`SELECT pg_sleep(1)`, HttpServerResponse.text("slept"))))
    )
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

  it.effect("S0.1 S1.30 answers 200 questions about its health before the first of 20 slow queries is done", () =>
    Effect.gen(function*() {
      const { address } = yield* HttpServer.HttpServer
      const url = HttpServer.formatAddress(address)
      const order: Array<string> = []
      const ask = (path: string) =>
        Effect.tap(ServiceProcess.get(url + path), ({ status }) => Effect.sync(() => order.push(`${path} ${status}`)))
      const slow = yield* Effect.forkChild(Effect.forEach(Array.from({ length: 20 }), () => ask("/sleep"), {
        concurrency: "unbounded"
      }))
      yield* Effect.forEach(Array.from({ length: 200 }), () => ask("/livez"), { concurrency: 50 })
      yield* Fiber.join(slow)
      assert.deepStrictEqual(order.slice(0, 200), Array.from({ length: 200 }, () => "/livez 200"))
      assert.deepStrictEqual(order.slice(200), Array.from({ length: 20 }, () => "/sleep 200"))
    }))

  it.effect("S0.2 S1.2 S2.1 answers 500 requests while a run is at work", () =>
    Effect.gen(function*() {
      const { address } = yield* HttpServer.HttpServer
      const url = HttpServer.formatAddress(address)
      const gate = yield* Latch.make()
      const begun = yield* Latch.make()
      const Long = Task.fn("bare.long", {}, () => Effect.andThen(begun.open, gate.await))
      const run = yield* Effect.forkChild(Dispatch.here(Long, {}, { kind: "code" }))
      yield* begun.await
      const paths = Array.from({ length: 500 }, (_, n) => n % 10 === 0 ? "/api/v1/runs?task=bare.long" : "/livez")
      const answers = yield* Effect.forEach(paths, (path) => ServiceProcess.get(url + path), { concurrency: 20 })
      assert.isTrue(answers.every(({ status }) => status === 200))
      assert.isTrue(answers.filter((_, n) => n % 10 === 0).every(({ body }) => body.includes(`"status":"running"`)))
      yield* gate.open
      yield* (yield* Fiber.join(run)).await
    }))

  it.effect("S0.51 shows the last 150 runs with percentiles, in the history and as metrics", () =>
    Effect.gen(function*() {
      const { address } = yield* HttpServer.HttpServer
      const url = HttpServer.formatAddress(address)
      const Work = Task.fn(
        "bare.work",
        { payload: { n: Schema.Int } },
        ({ n }) => Effect.andThen(Effect.logInfo(`at work on ${n}`), n % 50 === 0 ? Effect.die("bug") : Effect.void)
      )
      const runs = yield* Effect.forEach(
        Array.from({ length: 150 }, (_, n) => n),
        (n) => Dispatch.here(Work, { n }, { kind: "code" })
      )
      const json = (path: string) => Effect.map(ServiceProcess.get(url + path), ({ body }) => JSON.parse(body))
      const history = yield* json("/api/v1/runs?task=bare.work&limit=200")
      assert.deepStrictEqual(
        history.items.map((run: { readonly id: string }) => run.id),
        runs.map(({ id }) => id).reverse()
      )
      const statistics = yield* json("/api/v1/runs/statistics?task=bare.work")
      assert.strictEqual(statistics.runs, 150)
      assert.deepStrictEqual(statistics.outcomes, { completed: 147, failed: 3 })
      const times = history.items.map((run: { readonly runMs: number }) => run.runMs).sort((a: number, b: number) =>
        a - b
      )
      assert.deepStrictEqual(statistics.runMs, { p50: times[74], p95: times[142], p99: times[148], max: times[149] })
      assert.match(
        (yield* ServiceProcess.get(`${url}/metrics`)).body,
        /ostinato_task_run_seconds_count\{task="bare\.work",executor="here",outcome="completed"\} 147/
      )
      const details = yield* json(`/api/v1/runs/${runs[1]?.id}/details`)
      assert.strictEqual(details.logs[0].message, "at work on 1")
    }))
})

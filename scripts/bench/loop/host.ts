/**
 * The service with Insights, as it is, plus a pipeline of CPU stages that runs again and again, with the delay of its event
 * loop measured from the message `measure` on. It sends its port when it is ready, and its figures for `report`.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import { monitorEventLoopDelay } from "node:perf_hooks"
import * as Insights from "../../../src/apps/insights/Insights.ts"
import { Dispatch, ThreadPool } from "../../../src/index.ts"
import { Timetable } from "../../../src/schedule/index.ts"
import { Service, ServiceConfig, Setting } from "../../../src/service/index.ts"
import { Burn } from "./burn.ts"

const setting = (name: string) => process.env[name] ?? ""
const isolation = setting("LOOP_LOAD")
let pipelines = 0

const Burning = Layer.effectDiscard(
  Effect.forkScoped(Effect.forever(Effect.gen(function*() {
    const run = yield* Dispatch.here(Burn, {}, { kind: "code" })
    yield* run.await
    pipelines += 1
  })))
)

const ms = (nanos: number) => nanos / 1e6

const Main = Effect.gen(function*() {
  const insights = yield* Insights.make({
    repositories: [setting("LOOP_REPOSITORY")],
    directory: setting("OSTINATO_DATA_DIR"),
    timetable: Timetable.every("1 second")
  })
  const stages = isolation === "thread" || isolation === "none"
  const app = {
    ...insights,
    // an idle host is the same without work
    schedules: stages ? insights.schedules : [],
    layer: stages
      ? Layer.merge(insights.layer, Layer.provide(Burning, ThreadPool.layer({ capacity: 2, isolation })))
      : insights.layer
  }
  const config = yield* Setting.load(ServiceConfig.setting)
  const context = yield* Layer.build(
    Service.layer(app).pipe(
      Layer.provide(Layer.succeed(ServiceConfig.ServiceConfig, config)),
      Layer.provide(NodeHttpServer.layerHttpServices)
    )
  )
  const { address } = Context.get(context, HttpServer.HttpServer)
  const delay = monitorEventLoopDelay({ resolution: 1 })
  process.on("message", (message) => {
    if (message === "measure") {
      delay.enable()
      delay.reset()
      pipelines = 0
    } else {process.send?.({
        p50: ms(delay.percentile(50)),
        p99: ms(delay.percentile(99)),
        max: ms(delay.max),
        pipelines
      })}
  })
  process.send?.({ port: "port" in address ? address.port : 0 })
  return yield* Effect.never
})

NodeRuntime.runMain(Effect.scoped(Main).pipe(Effect.provide(NodeServices.layer)))

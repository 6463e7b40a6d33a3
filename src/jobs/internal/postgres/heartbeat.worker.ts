/** The first file of the thread that keeps the leases of a process. */
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import { write } from "node:fs"
import { parentPort, workerData } from "node:worker_threads"
import { make } from "./heartbeatLoop.ts"
import { type Order, type Report, type Seed, unpack } from "./heartbeatProtocol.ts"

const port = parentPort
const post = (report: Report) => {
  // the main thread stands still, so it can tell nobody
  if (report.kind === "silent") {
    const seconds = Math.round(report.ms / 1000)
    write(
      2,
      `ostinato: the event loop has stood still for ${seconds} s: the leases of this process are given up\n`,
      () => {}
    )
  }
  port?.postMessage(report)
}

// what there is to say goes to the main thread, which has the loggers
const quiet = Effect.provideService(Logger.CurrentLoggers, new Set<Logger.Logger<unknown, unknown>>())
const { wire, ...settings }: Seed = workerData
const loop = await Effect.runPromise(quiet(make(settings, unpack(wire), post)))
port?.on("message", (order: Order) => loop.take(order))
await Effect.runPromise(quiet(loop.run))
port?.close()

/**
 * Where the loop of the heartbeat runs: in a thread, which nothing that runs here can hold up, or beside everything else
 * where the settings of the connection cannot travel to a thread.
 */
import type * as PgClient from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { Worker } from "node:worker_threads"
import * as Drain from "../../../core/Drain.ts"
import * as heartbeatLoop from "./heartbeatLoop.ts"
import type { Order, Report, Seed, Settings } from "./heartbeatProtocol.ts"

/** The thread that beats ended, though nobody asked for it. A new one takes its place. */
class HeartbeatEnded extends Schema.TaggedError<HeartbeatEnded>()("HeartbeatEnded", { detail: Schema.String }) {
  override get message() {
    return `the heartbeat thread ended: ${this.detail}`
  }
}

export interface Host {
  readonly post: (order: Order) => void
  /** Waits for an end that nobody asked for. */
  readonly end: Effect.Effect<void, HeartbeatEnded>
}

/** It holds a connection and a few numbers: without a limit its heap would take as much room as that of a whole process. */
const resourceLimits = { maxYoungGenerationSizeMb: 4, maxOldGenerationSizeMb: 128 }

// a path that the build need not rewrite
const entry = new URL(`./heartbeat.worker${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url)

/** Ends with its scope, in bounded time; never keeps the process alive. */
export const thread = (
  seed: Seed,
  onReport: (report: Report) => void
): Effect.Effect<Host, HeartbeatEnded, Scope.Scope> =>
  Effect.gen(function*() {
    let detail: string | undefined
    let isOver = false
    const worker = yield* Effect.acquireRelease(
      Effect.try({
        try: () => new Worker(entry, { name: "ostinato heartbeat", workerData: seed, resourceLimits }),
        catch: (error) => new HeartbeatEnded({ detail: String(error) })
      }),
      (worker) => {
        const ended = Effect.callback<void>((resume) => {
          if (isOver) return resume(Effect.void)
          worker.once("exit", () => resume(Effect.void))
          worker.postMessage({ kind: "stop" } satisfies Order)
        })
        const killed = Effect.promise(() => worker.terminate())
        return Effect.andThen(Drain.atMost("1 second")(ended), killed)
      }
    )
    worker.on("message", onReport)
    worker.on("error", (error) => {
      detail = String(error)
    })
    const end = Effect.callback<void, HeartbeatEnded>((resume) => {
      worker.once("exit", (code) => {
        isOver = true
        resume(Effect.fail(new HeartbeatEnded({ detail: detail ?? `it exited with code ${code}` })))
      })
    })
    worker.unref()
    return { post: (order) => worker.postMessage(order), end }
  })

export const here = (
  settings: Settings,
  connection: PgClient.PgClientConfig,
  onReport: (report: Report) => void
): Effect.Effect<Host> =>
  Effect.map(heartbeatLoop.make(settings, connection, onReport), ({ run, take }) => ({ post: take, end: run }))

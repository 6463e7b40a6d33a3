/**
 * Effect's PersistedQueue on `@effect/sql-pg`: 200 fibers in `take`, a poll every 10 ms, multiplexed connections.
 *
 * It has no bulk offer: 256 offers at a time. Also tried elsewhere and not better: 50 fibers, no multiplexing.
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as PersistedQueue from "effect/persistence/PersistedQueue"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { callingBy } from "../callers.ts"
import type { Driver, JobSystem } from "../JobSystem.ts"
import { inPostgres } from "../places/Postgres.ts"

const Job = Schema.Struct({ n: Schema.Finite, t: Schema.Finite, s: Schema.String })

const connect = (url: string) =>
  ManagedRuntime.make(
    PersistedQueue.layer.pipe(
      Layer.provide(PersistedQueue.layerStoreSql({ pollInterval: "10 millis" })),
      Layer.provide(PgClient.layer({ url: Redacted.make(url), maxConnections: 10, multiplex: true }))
    )
  )

/** The system. */
export const persistedQueueSystem: JobSystem = {
  name: "effect PersistedQueue",
  about: "layerStoreSql, poll every 10 ms, 200 fibers in take, multiplexed connections",
  backlog: 3000,
  place: inPostgres({
    name: "persisted queue",
    prepare: async (_connection, url) => {
      const runtime = connect(url)
      await runtime.runPromise(PersistedQueue.PersistedQueueFactory)
      await runtime.dispose()
    },
    left: "select exists (select from effect_queue where state = 'pending') as left"
  }),
  driver: { module: "systems/persistedQueue.ts", name: "effect PersistedQueue" }
}

/** Opens the driver of a child process. */
export const open = async (_name: string, url: string): Promise<Driver> => {
  const runtime = connect(url)
  const queue = await runtime.runPromise(PersistedQueue.make({ name: "job", schema: Job }))
  let running: Fiber.Fiber<unknown, unknown> | undefined
  return {
    add: (job) => runtime.runPromise(queue.offer(job)),
    call: (callers, next) => runtime.runPromise(callingBy((job) => queue.offer(job), callers, next)),
    bulk: (jobs) =>
      runtime.runPromise(Effect.forEach(jobs, (job) => queue.offer(job), { concurrency: 256, discard: true })),
    work: (onJob) => {
      const take = Effect.forever(queue.take((job) => Effect.sync(() => onJob(job))))
      const fiber = runtime.runFork(
        Effect.all(Array.from({ length: 200 }, () => take), { concurrency: "unbounded", discard: true })
      )
      running = fiber
      return new Promise((_, reject) =>
        fiber.addObserver((exit) => {
          if (exit._tag === "Failure" && running !== undefined) reject(new Error(String(exit.cause)))
        })
      )
    },
    close: async () => {
      const fiber = running
      running = undefined
      if (fiber !== undefined) await runtime.runPromise(Fiber.interrupt(fiber))
      await runtime.dispose()
    }
  }
}

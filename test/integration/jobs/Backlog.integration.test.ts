/** More jobs than a worker can have in hand: where they are, and what can be asked meanwhile. */
import { assert, layer as withLayer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { Task } from "ostinato"
import * as JobQueue from "ostinato/jobs/JobQueue"
import * as JobWorker from "ostinato/jobs/JobWorker"
import type { QueueStats } from "ostinato/jobs/QueueStats"
import { heldBytes } from "../../jobs/heldBytes.ts"
import { layer } from "./jobs.ts"

const batch = 5000

const Thumbnail = Task.make("pg.thumbnail", { payload: { file: Schema.Int } })

const enqueue = (queue: string, files: number) =>
  Effect.gen(function*() {
    for (let from = 0; from < files; from += batch) {
      yield* JobQueue.enqueueAll(
        Array.from(
          { length: Math.min(batch, files - from) },
          (_, n) => JobQueue.job(Thumbnail, { file: from + n }, { queue })
        )
      )
    }
  })

/** A worker of this queue that does this with every job. */
const working = (queue: string, options: JobWorker.QueueOptions, handler: Effect.Effect<void>) =>
  Layer.provide(
    JobWorker.layer({ queues: { [queue]: options }, tasks: [Thumbnail], drain: 0 }),
    Thumbnail.toLayer(() => handler)
  )

withLayer(layer, { excludeTestServices: true, timeout: "60 seconds" })("a backlog on Postgres", (it) => {
  it.effect(
    "S3.19 figures are told while every slot is busy and the loop has no rest, long before the line is empty",
    () =>
      Effect.gen(function*() {
        const files = 1000
        const busy = Effect.sync(() => {
          const end = performance.now() + 0.5
          while (performance.now() < end);
        })
        yield* enqueue("loaded", files)
        const told: Array<QueueStats> = []
        yield* Effect.repeat(
          Effect.tap(JobQueue.stats("loaded", { within: "1 hour" }), (stats) => Effect.sync(() => told.push(stats))),
          { until: ({ completed }) => completed === files }
        ).pipe(Effect.provide(working("loaded", { concurrency: 50 }, busy)))
        assert.isAbove(told.filter(({ running, waiting }) => running > 0 && waiting > 0).length, 2)
        const completed = told.map((stats) => stats.completed)
        assert.deepStrictEqual(completed, completed.toSorted((a, b) => a - b))
      }),
    120_000
  )

  it.effect(
    "S3.33 is in the database: 100,000 jobs more leave the process as it was, and a worker has its slots and its prefetch in hand",
    () =>
      Effect.gen(function*() {
        const go = yield* Latch.make()
        yield* Effect.gen(function*() {
          const { status } = yield* JobWorker.JobWorker
          const inHand = { capacity: 10, running: 10, prefetched: 20 }
          yield* enqueue("backlog", 2 * batch)
          yield* Effect.repeat(Effect.delay(status, "10 millis"), {
            until: ({ queues }) => queues["backlog"]?.prefetched === inHand.prefetched
          })
          const before = yield* heldBytes
          yield* enqueue("backlog", 100_000)
          const grown = (yield* heldBytes) - before
          // one reference for each of them would be 0.8 MB
          assert.isBelow(grown, 800_000)
          assert.deepStrictEqual((yield* status).queues, { backlog: inHand })
          const { counts } = yield* JobQueue.queue("backlog")
          assert.deepInclude(counts, { running: 30, available: 100_000 + 2 * batch - 30 })
        }).pipe(Effect.provide(working("backlog", { concurrency: 10, prefetch: 20 }, go.await)))
      }),
    120_000
  )
})

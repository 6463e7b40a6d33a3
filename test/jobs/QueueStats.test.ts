import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { Task } from "ostinato"
import { JobQueue, JobWorker } from "ostinato/jobs"
import { Broken, pass, settle, store } from "./Working.ts"

const Bake = Task.make("bake", { payload: { seconds: Schema.Int, burns: Schema.Boolean }, error: Broken })

/** An oven with two places. */
const oven = Layer.provideMerge(
  JobWorker.layer({ queues: { oven: { concurrency: 2, prefetch: 0 } }, tasks: [Bake], drain: 0 }),
  Layer.provideMerge(
    Bake.toLayer(({ burns, seconds }) =>
      Effect.andThen(Effect.sleep(`${seconds} seconds`), burns ? new Broken() : Effect.void)
    ),
    store
  )
)

const bake = (seconds: number, burns = false) => JobQueue.enqueue(Bake, { seconds, burns }, { queue: "oven" })

describe("S3.29 the figures of a queue", () => {
  it.effect("are exact at every moment of a scripted run, and throughput is that of the last 5 seconds", () =>
    Effect.gen(function*() {
      yield* Effect.forEach([1, 3, 2, 4], (seconds) => bake(seconds))
      yield* bake(1, true)
      const cold = yield* JobQueue.enqueue(Bake, { seconds: 1, burns: false }, { queue: "oven", delay: "1 day" })
      yield* settle
      // places, second by second: 1 2 2 burns | 3 3 3 4 4 4 4
      const idle = { completed: 0, discarded: 0, cancelled: 0, perSecond: 0, runMs: null }
      assert.deepStrictEqual(yield* JobQueue.stats("oven"), { waiting: 4, running: 2, workers: 1, ...idle })
      yield* pass(1)
      assert.deepStrictEqual(yield* JobQueue.stats("oven"), {
        waiting: 3,
        running: 2,
        workers: 1,
        ...idle,
        completed: 1,
        perSecond: 0.2,
        runMs: 1000
      })
      yield* pass(3)
      yield* JobQueue.cancel([cold.id])
      assert.deepStrictEqual(yield* JobQueue.stats("oven"), {
        waiting: 0,
        running: 1,
        workers: 1,
        completed: 3,
        discarded: 1,
        cancelled: 1,
        perSecond: 0.6,
        // 1, 2 and 3 seconds, and one that burned
        runMs: 1750
      })
      yield* pass(3)
      // of the last 5 seconds: what ended after 2 seconds
      assert.deepInclude(yield* JobQueue.stats("oven"), { running: 0, completed: 3, discarded: 1, runMs: 2500 })
      yield* pass(5)
      assert.deepStrictEqual(yield* JobQueue.stats("oven"), { waiting: 0, running: 0, workers: 1, ...idle })
      const all = yield* JobQueue.stats("oven", { within: "1 hour" })
      assert.deepInclude(all, { completed: 4, discarded: 1, cancelled: 1, runMs: 2200, perSecond: 4 / 3600 })
      assert.deepInclude(yield* JobQueue.stats("oven", { within: Infinity }), {
        completed: 4,
        perSecond: 4 / 3_155_760_000
      })
      assert.deepInclude(yield* JobQueue.stats("oven", { within: 0 }), idle)
    }).pipe(Effect.provide(oven)))

  it.effect("of a queue that nobody knows are refused", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* Effect.flip(JobQueue.stats("none")))._tag, "QueueNotFound")
    }).pipe(Effect.provide(store)))
})

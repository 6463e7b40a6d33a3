import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { Task } from "ostinato"
import * as JobQueue from "ostinato/jobs/JobQueue"
import * as JobWorker from "ostinato/jobs/JobWorker"
import { reaches, store } from "./Working.ts"

const Double = Task.make("double", { payload: { n: Schema.Int }, success: Schema.Int })

describe("a worker", () => {
  it.effect("runs a job that is enqueued, and keeps its value", () =>
    Effect.gen(function*() {
      const { id } = yield* JobQueue.enqueue(Double, { n: 21 })
      const job = yield* reaches(id, "completed")
      assert.strictEqual(job.output, 42)
      assert.strictEqual(job.attempt, 1)
    }).pipe(
      Effect.provide(
        JobWorker.layer({ queues: { default: {} }, tasks: [Double] }).pipe(
          Layer.provide(Double.toLayer(({ n }) => Effect.succeed(n * 2))),
          Layer.provideMerge(store)
        )
      )
    ))
})

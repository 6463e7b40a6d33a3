/** What is left of jobs that have come and gone. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as JobQueue from "ostinato/jobs/JobQueue"
import { JobStore } from "ostinato/jobs/JobStore"
import * as JobWorker from "ostinato/jobs/JobWorker"
import { heldBytes } from "./heldBytes.ts"
import { Double, DoubleLive, store } from "./Working.ts"

const batch = 5000

/** So many jobs are enqueued, run, completed and, by a retention of none, forgotten. */
const comeAndGo = (jobs: number) =>
  Effect.gen(function*() {
    const { prune, queues } = yield* JobStore
    for (let from = 0; from < jobs; from += batch) {
      yield* JobQueue.enqueueAll(
        Array.from(
          { length: batch },
          (_, at) => JobQueue.job(Double, { n: from + at }, { unique: {}, tenant: `tenant ${at % 7}` })
        )
      )
      yield* Effect.repeat(queues, {
        until: ([queue]) => queue?.counts.available === 0 && queue.counts.running === 0,
        schedule: Schedule.spaced("20 millis")
      })
      yield* prune({ jobs: 0 })
    }
  })

describe("a worker and its store in memory", () => {
  it.live(
    "S2.86 hold no more after 100,000 jobs than before",
    () =>
      Effect.gen(function*() {
        yield* comeAndGo(10_000)
        const before = yield* heldBytes
        yield* comeAndGo(100_000)
        const grown = (yield* heldBytes) - before
        // one reference for each of them would be 0.8 MB
        assert.isBelow(grown, 800_000)
      }).pipe(Effect.provide(
        JobWorker.layer({ queues: { default: { concurrency: 50 } }, tasks: [Double], drain: 0 }).pipe(
          Layer.provide(DoubleLive),
          Layer.provideMerge(store)
        )
      )),
    120_000
  )
})

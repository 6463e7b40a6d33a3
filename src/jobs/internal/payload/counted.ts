/** How many jobs were enqueued, by queue and task. What is looked up for a pair of them is looked up once. */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type { Enqueued, NewJob } from "../../JobStore.ts"

const inserted = Metric.counter("ostinato_jobs_inserted_total", {
  description: "Jobs that were enqueued, those of transactions that rolled back included",
  incremental: true
})

const series = new Map<string, Metric.Metric<number, unknown>>()

/** Pairs that are kept; queues and tasks are few, unless somebody makes their names up. */
const capacity = 10_000

/** Counts those that are no duplicates. */
export const counted = (jobs: ReadonlyArray<NewJob>, answers: ReadonlyArray<Enqueued>): Effect.Effect<void> =>
  Effect.contextWith((context) => {
    const counts = new Map<string, { readonly job: NewJob; count: number }>()
    for (const [place, job] of jobs.entries()) {
      if (answers[place]?.duplicate !== false) continue
      const key = `${job.queue}\n${job.task}`
      const known = counts.get(key)
      if (known === undefined) counts.set(key, { job, count: 1 })
      else known.count += 1
    }
    for (const [key, { count, job: { queue, task } }] of counts) {
      if (series.size >= capacity) series.clear()
      const one = series.get(key) ?? Metric.withAttributes(inserted, { queue, task })
      series.set(key, one)
      one.updateUnsafe(count, context)
    }
    return Effect.void
  })

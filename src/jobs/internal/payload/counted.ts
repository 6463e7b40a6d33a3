/** How many jobs were enqueued, by queue and task. What is looked up for a pair of them is looked up once. */
import type * as Context from "effect/Context"
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
export const count = (
  jobs: ReadonlyArray<NewJob>,
  answers: ReadonlyArray<Enqueued>,
  context: Context.Context<never>
): void => {
  // neighbours are alike as a rule
  for (let from = 0, to = 0; from < jobs.length; from = to) {
    const first = jobs[from]
    if (first === undefined) return
    let fresh = 0
    for (; to < jobs.length && jobs[to]?.queue === first.queue && jobs[to]?.task === first.task; to++) {
      if (answers[to]?.duplicate === false) fresh += 1
    }
    if (fresh > 0) seriesOf(first).updateUnsafe(fresh, context)
  }
}

const seriesOf = ({ queue, task }: NewJob) => {
  const key = `${queue}\n${task}`
  let one = series.get(key)
  if (one === undefined) {
    if (series.size >= capacity) series.clear()
    one = Metric.withAttributes(inserted, { queue, task })
    series.set(key, one)
  }
  return one
}

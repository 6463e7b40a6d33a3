/**
 * Figures of durable jobs. The names are part of the interface: dashboards and alerts rely on them.
 */
import type * as Context from "effect/Context"
import * as Metric from "effect/Metric"
import * as TaskMetrics from "../core/TaskMetrics.ts"

const finished = Metric.counter("ostinato_jobs_finished_total", {
  description: "Attempts of jobs that ended, by what became of the job",
  incremental: true
})

const rescued = Metric.counter("ostinato_jobs_rescued_total", {
  description: "Jobs taken back from workers that died",
  incremental: true
})

const fenced = Metric.counter("ostinato_jobs_fenced_total", {
  description: "Ends of attempts that had lost their lease, and so were refused",
  incremental: true
})

/**
 * Counts for one worker: what is looked up for a task is looked up once.
 *
 * @category constructors
 */
export const make = (context: Context.Context<never>) => {
  const series = new Map<string, ReturnType<typeof seriesOf>>()
  // the next is mostly like the one before
  let last: { queue: string; task: string; outcome: string; series: ReturnType<typeof seriesOf> } | undefined
  const of = (queue: string, task: string, outcome: string) => {
    if (last?.task === task && last.outcome === outcome && last.queue === queue) return last.series
    const key = `${queue}\n${task}\n${outcome}`
    const known = series.get(key) ?? seriesOf(queue, task, outcome)
    series.set(key, known)
    last = { queue, task, outcome, series: known }
    return known
  }
  return {
    /** `runMs` is -1 where the attempt did not begin. */
    ended: (
      queue: string,
      task: string,
      outcome: string,
      { queueMs, runMs }: { readonly queueMs: number; readonly runMs: number }
    ): void => {
      const one = of(queue, task, outcome)
      one.finished.updateUnsafe(1, context)
      if (runMs === -1) return
      one.queueTime.updateUnsafe(queueMs / 1000, context)
      one.runTime.updateUnsafe(runMs / 1000, context)
    },
    fenced: (queue: string, count: number): void =>
      Metric.withAttributes(fenced, { queue }).updateUnsafe(count, context),
    rescued: (queue: string): void => Metric.withAttributes(rescued, { queue }).updateUnsafe(1, context)
  }
}

const seriesOf = (queue: string, task: string, outcome: string) => ({
  finished: Metric.withAttributes(finished, { queue, task, outcome }),
  ...TaskMetrics.series({ task, queue, executor: "jobs", outcome })
})

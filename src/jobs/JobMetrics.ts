/**
 * Figures of durable jobs. The names are part of the interface: dashboards and alerts rely on them.
 */
import * as Context from "effect/Context"
import * as Metric from "effect/Metric"
import * as TaskMetrics from "../core/TaskMetrics.ts"

const finishedOf = () =>
  Metric.counter("ostinato_jobs_finished_total", {
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
 * Counts for one worker: the labels of a series are joined once, and not for each of thousands of jobs a second.
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
    const known = series.get(key) ?? seriesOf({ queue, task, outcome }, context)
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
      one.finished.updateUnsafe(1, one.counting)
      if (runMs === -1) return
      one.queueTime.updateUnsafe(queueMs / 1000, one.timing)
      one.runTime.updateUnsafe(runMs / 1000, one.timing)
    },
    fenced: (queue: string, count: number): void =>
      Metric.withAttributes(fenced, { queue }).updateUnsafe(count, context),
    rescued: (queue: string): void => Metric.withAttributes(rescued, { queue }).updateUnsafe(1, context)
  }
}

const seriesOf = (
  labels: { readonly queue: string; readonly task: string; readonly outcome: string },
  context: Context.Context<never>
) => ({
  finished: finishedOf(),
  ...TaskMetrics.make(),
  counting: labelled(context, labels),
  timing: labelled(context, { task: labels.task, queue: labels.queue, executor: "jobs", outcome: labels.outcome })
})

/** All that a metric looks for at every update, and nothing else. */
const labelled = (context: Context.Context<never>, labels: Metric.Metric.AttributeSet): Context.Context<never> =>
  Context.make(Metric.MetricRegistry, Context.get(context, Metric.MetricRegistry)).pipe(
    Context.add(Metric.CurrentMetricAttributes, { ...Context.get(context, Metric.CurrentMetricAttributes), ...labels })
  )

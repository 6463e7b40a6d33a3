/**
 * How long runs waited and how long they ran, for every task and executor.
 *
 * The names are part of the interface: dashboards and alerts rely on them.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"

// 5 ms to 1 h, in seconds
const boundaries = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600]

/**
 * The two histograms of runs. Each call gives its own instances of the same two: an instance remembers the series that it
 * was used for last.
 *
 * @category metrics
 */
export const make = () => ({
  queueTime: Metric.histogram("ostinato_task_queue_seconds", {
    description: "Queue time of runs: from the request to the first attempt, in seconds",
    boundaries
  }),
  runTime: Metric.histogram("ostinato_task_run_seconds", {
    description: "Run time of runs: from the first attempt to the end, in seconds",
    boundaries
  })
})

const { queueTime: queueSeconds, runTime: runSeconds } = make()

/**
 * The two histograms of runs with these labels.
 *
 * @category metrics
 */
export const series = (labels: {
  readonly task: string
  readonly executor: string
  readonly outcome: string
  /** Of jobs. */
  readonly queue?: string
}): { readonly queueTime: Metric.Metric<number, unknown>; readonly runTime: Metric.Metric<number, unknown> } => ({
  queueTime: Metric.withAttributes(queueSeconds, labels),
  runTime: Metric.withAttributes(runSeconds, labels)
})

/**
 * Records one ended run.
 *
 * @category metrics
 */
export const record = (run: {
  readonly task: string
  readonly executor: string
  readonly outcome: string
  readonly queueTime: Duration.Duration
  readonly runTime: Duration.Duration
}): Effect.Effect<void> => {
  const { queueTime, runTime } = series({ task: run.task, executor: run.executor, outcome: run.outcome })
  return Effect.andThen(
    Metric.update(queueTime, Duration.toSeconds(run.queueTime)),
    Metric.update(runTime, Duration.toSeconds(run.runTime))
  )
}

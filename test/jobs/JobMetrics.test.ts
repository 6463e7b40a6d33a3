import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as JobMetrics from "ostinato/jobs/JobMetrics"

const times = { queueMs: 20, runMs: 3000 }

describe("metrics of jobs", () => {
  it.effect("keeps series apart when tasks and outcomes come in turns, under the labels of the worker", () =>
    Effect.gen(function*() {
      const around = { host: "h", task: "a job's own label wins" }
      const context = Context.make(Metric.MetricRegistry, yield* Metric.MetricRegistry).pipe(
        Context.add(Metric.CurrentMetricAttributes, around)
      )
      const metrics = JobMetrics.make(context)
      for (let turn = 0; turn < 3; turn++) {
        metrics.ended("turns", "a", "completed", times)
        metrics.ended("turns", "b", "completed", times)
        metrics.ended("turns", "b", "discarded", { queueMs: 0, runMs: -1 })
      }
      const found = (yield* Metric.snapshot).filter(({ attributes }) => attributes?.["queue"] === "turns")
      const of = (wanted: string) =>
        found.flatMap(({ attributes, id, state }) =>
          id === wanted && "count" in state
            ? [[attributes?.["host"], attributes?.["task"], attributes?.["outcome"], Number(state.count)]]
            : []
        )
      assert.deepStrictEqual(of("ostinato_jobs_finished_total"), [
        ["h", "a", "completed", 3],
        ["h", "b", "completed", 3],
        ["h", "b", "discarded", 3]
      ])
      const timed = [["h", "a", "completed", 3], ["h", "b", "completed", 3]]
      assert.deepStrictEqual(of("ostinato_task_queue_seconds"), timed)
      assert.deepStrictEqual(of("ostinato_task_run_seconds"), timed)
      const runs = found.find(({ id }) => id === "ostinato_task_run_seconds")
      assert.strictEqual(runs !== undefined && "sum" in runs.state ? runs.state.sum : 0, 9)
      assert.strictEqual(runs?.attributes?.["executor"], "jobs")
    }))
})

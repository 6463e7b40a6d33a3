/**
 * The log of runs in memory, for tests and for programs without a database.
 *
 * Keeps the newest `capacity` ended runs and every running one. Nothing survives the process.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { pageSize, RunLog } from "./RunLog.ts"
import { TaskRun } from "./TaskRun.ts"

/**
 * @category layers
 */
export const layer = (options?: {
  /** Ended runs kept, oldest dropped first. Defaults to `1000`. */
  readonly capacity?: number | undefined
}): Layer.Layer<RunLog> =>
  Layer.sync(RunLog, () => {
    const capacity = options?.capacity ?? 1000
    const runs = new Map<string, ConstructorParameters<typeof TaskRun>[0]>()
    const prune = () => {
      let surplus = -capacity
      for (const run of runs.values()) if (run.status !== "running") surplus += 1
      for (const run of runs.values()) {
        if (surplus <= 0) return
        if (run.status === "running") continue
        runs.delete(run.id)
        surplus -= 1
      }
    }
    return RunLog.of({
      begin: (run) =>
        Effect.map(DateTime.now, (now) => {
          runs.set(run.id, {
            ...run,
            status: "running",
            attempts: 0,
            host: "memory",
            pid: 0,
            startedAt: now,
            finishedAt: null,
            queueMs: null,
            runMs: null,
            output: null,
            failure: null
          })
        }),
      end: (id, end) =>
        Effect.map(DateTime.now, (now) => {
          const run = runs.get(id)
          if (run?.status !== "running") return false
          runs.set(id, { ...run, ...end, finishedAt: now })
          prune()
          return true
        }),
      get: (id) =>
        Effect.sync(() => {
          const run = runs.get(id)
          return run === undefined ? null : new TaskRun(run)
        }),
      list: (query) =>
        Effect.sync(() => {
          const { before, task } = query
          return Array.from(runs.values())
            .filter((run) => (task === undefined || run.task === task) && (before === undefined || run.id < before))
            .sort((a, b) => a.id < b.id ? 1 : -1)
            .slice(0, pageSize(query))
            .map((run) => new TaskRun(run))
        })
    })
  })

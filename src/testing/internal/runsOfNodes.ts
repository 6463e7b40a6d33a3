/**
 * A log of runs in memory that several simulated processes share: the open runs of a process that was killed show as
 * abandoned, as they do in a log on a database.
 */
import * as Effect from "effect/Effect"
import type { RunLog } from "../../core/RunLog.ts"
import { isOpen, TaskRun } from "../../core/TaskRun.ts"

type Log = RunLog["Service"]

export interface RunsOfNodes {
  /** The log as a process sees it that lives as long as this says. */
  readonly of: (isAlive: () => boolean) => Log
}

export const make = (log: Log): RunsOfNodes => {
  const owners = new Map<string, () => boolean>()
  const seen = (run: TaskRun): TaskRun => {
    if (!isOpen(run.status) || owners.get(run.id)?.() !== false) return run
    const fields: ConstructorParameters<typeof TaskRun>[0] = Object.assign({}, run, { status: "abandoned" })
    return new TaskRun(fields)
  }
  return {
    of: (isAlive) => ({
      ...log,
      begin: (run) =>
        Effect.suspend(() => {
          owners.set(run.id, isAlive)
          return log.begin(run)
        }),
      get: (id) => Effect.map(log.get(id), (run) => run === null ? null : seen(run)),
      list: ({ status, ...query }) =>
        // the state is asked for after it is known
        Effect.map(log.list(query), (runs) =>
          runs.map(seen).filter((run) => status === undefined || run.status === status))
    })
  }
}

/**
 * The log of runs in memory, for tests and for programs without a database.
 *
 * Keeps ended runs within its retention and every run that has not ended. Nothing survives the process.
 */
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { pageSize, type Retention, RunLog } from "./RunLog.ts"
import { type Cancellation, isOpen, type RunDetails, TaskRun } from "./TaskRun.ts"

/**
 * A log in the memory of this process. Ended runs go by age and by number, whenever a run ends.
 *
 * @category layers
 */
export const layer = (options?: {
  /** Number of ended runs defaults to `1000`. */
  readonly retention?: Retention | undefined
}): Layer.Layer<RunLog> =>
  Layer.sync(RunLog, () => {
    const capacity = options?.retention?.runs ?? 1000
    const age = Duration.fromInputUnsafe(options?.retention?.age ?? "90 days")
    const detailsAge = Duration.fromInputUnsafe(options?.retention?.details ?? "14 days")
    const runs = new Map<string, Entry>()
    // in the order of their ends
    const ended = new Set<string>()

    const olderThan = (now: DateTime.Utc, id: string, limit: Duration.Duration) => {
      const finishedAt = runs.get(id)?.run.finishedAt ?? null
      return finishedAt !== null && DateTime.isLessThan(DateTime.addDuration(finishedAt, limit), now)
    }
    const change = (entry: Entry, change: Partial<Fields>): Entry => ({ ...entry, run: { ...entry.run, ...change } })
    const prune = (now: DateTime.Utc) => {
      for (const id of ended) {
        if (ended.size <= capacity && !olderThan(now, id, age)) break
        ended.delete(id)
        runs.delete(id)
      }
      for (const id of ended) {
        if (!olderThan(now, id, detailsAge)) return
        const entry = runs.get(id)
        if (entry !== undefined) runs.set(id, { ...entry, details: null })
      }
    }

    return RunLog.of({
      begin: (run) =>
        Effect.gen(function*() {
          const cancelled = yield* Deferred.make<Cancellation>()
          runs.set(run.id, {
            run: {
              ...run,
              attempts: 0,
              host: "memory",
              pid: 0,
              startedAt: yield* DateTime.now,
              finishedAt: null,
              queueMs: null,
              runMs: null,
              output: null,
              failure: null,
              items: null,
              cancellation: null
            },
            details: null,
            cancelled
          })
          return { cancelled: Deferred.await(cancelled) }
        }),
      started: (id) =>
        Effect.sync(() => {
          const entry = runs.get(id)
          if (entry?.run.status === "waiting") runs.set(id, change(entry, { status: "running" }))
        }),
      end: (id, { details, ...end }) =>
        Effect.map(DateTime.now, (now) => {
          const entry = runs.get(id)
          if (entry === undefined || !isOpen(entry.run.status)) return false
          runs.set(id, { ...change(entry, { ...end, finishedAt: now }), details, cancelled: null })
          ended.add(id)
          prune(now)
          return true
        }),
      cancel: (id, by) =>
        Effect.gen(function*() {
          const entry = runs.get(id)
          if (entry === undefined) return "unknown"
          if (entry.cancelled === null) return "ended"
          if (entry.run.cancellation !== null) return "already"
          runs.set(id, change(entry, { cancellation: by }))
          yield* Deferred.succeed(entry.cancelled, by)
          return "requested"
        }),
      get: (id) =>
        Effect.sync(() => {
          const entry = runs.get(id)
          return entry === undefined ? null : new TaskRun(entry.run)
        }),
      details: (id) => Effect.sync(() => runs.get(id)?.details ?? null),
      list: (query) =>
        Effect.sync(() => {
          const { before, status, task, tenant } = query
          return Array.from(runs.values(), ({ run }) => run)
            .filter((run) =>
              (task === undefined || run.task === task) && (before === undefined || run.id < before) &&
              (status === undefined || run.status === status) && (tenant === undefined || run.origin.tenant === tenant)
            )
            .sort((a, b) => a.id < b.id ? 1 : -1)
            .slice(0, pageSize(query))
            .map((run) => new TaskRun(run))
        })
    })
  })

type Fields = ConstructorParameters<typeof TaskRun>[0]

interface Entry {
  readonly run: Fields
  readonly details: RunDetails | null
  /** Null once the run has ended. */
  readonly cancelled: Deferred.Deferred<Cancellation> | null
}

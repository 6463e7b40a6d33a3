/**
 * The log of runs with the jobs in it: one list of everything that ran, runs or will run, however it was started.
 *
 * A job is a run with the id that `Job.runIdOf` gives it. Lists are in the order of ids, whatever they are of, and a page
 * begins exactly where the one before ended. Cancelling works by the id of the run on either. Everything else is the
 * log's own.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { pageSize, RunLog, RunLogUnavailable, type RunQuery } from "../core/RunLog.ts"
import type { RunId, TaskRun } from "../core/TaskRun.ts"
import { type JobId, jobIdOf } from "../jobs/Job.ts"
import type { JobStoreUnavailable } from "../jobs/JobError.ts"
import * as JobFilter from "../jobs/JobFilter.ts"
import { JobStore } from "../jobs/JobStore.ts"
import * as Tx from "../store/Tx.ts"
import { boundOf, detailsOf, isAmbiguous, runOf, statesOf } from "./internal/runOfJob.ts"

// jobs that are looked through at once where their state alone does not tell
const chunk = 1000

/**
 * Adds the jobs of the store to the log that is there.
 *
 * @category layers
 */
export const layer: Layer.Layer<RunLog, never, RunLog | JobStore> = Layer.effect(
  RunLog,
  Effect.gen(function*() {
    const log = yield* RunLog
    const store = yield* JobStore

    const jobs = Effect.fnUntraced(function*(query: RunQuery) {
      const size = pageSize(query)
      const states = query.status === undefined ? [] : statesOf(query.status)
      if (query.status !== undefined && states.length === 0) return []
      const filter: JobFilter.JobFilter = {
        ...JobFilter.all,
        states,
        tasks: query.task === undefined ? [] : [query.task],
        tenants: query.tenant === undefined ? [] : [query.tenant]
      }
      const bound = query.before === undefined ? { before: null } : boundOf(query.before)
      const found: Array<TaskRun> = []
      if (bound === null) return found
      const limit = query.status !== undefined && isAmbiguous(query.status) ? chunk : size
      let before: JobId | null = bound.before
      while (found.length < size) {
        const page = yield* store.query({ filter, before, limit })
        found.push(...page.map(runOf).filter(({ status }) => query.status === undefined || status === query.status))
        const last = page.at(-1)
        if (last === undefined || page.length < limit) break
        before = last.id
      }
      return found.slice(0, size)
    })

    const jobOf = (id: string) => {
      const job = jobIdOf(id)
      return job === null ? Effect.succeed(null) : attempt("get run", store.get(job))
    }

    return RunLog.of({
      ...log,
      list: (query) =>
        Effect.map(
          Effect.all([log.list(query), attempt("list runs", jobs(query))], { concurrency: 2 }),
          ([runs, jobs]) => [...runs, ...jobs].sort(newestFirst).slice(0, pageSize(query))
        ),
      get: (id) => Effect.flatMap(jobOf(id), (job) => job === null ? log.get(id) : Effect.succeed(runOf(job))),
      details: (id) =>
        Effect.flatMap(jobOf(id), (job) =>
          job === null
            ? log.details(id)
            : attempt(
              "get details of run",
              Effect.map(store.attempts(job.id), (entries) => detailsOf(job, entries))
            )),
      cancel: (id, by) =>
        Effect.gen(function*() {
          const job = jobIdOf(id)
          const answers = job === null ? undefined : yield* attempt("cancel run", store.cancel([job], by))
          const answer = job === null ? undefined : answers?.get(job)
          if (answer === undefined || answer === "unknown") return yield* log.cancel(id, by)
          return answer === "cancelled" ? "requested" : answer
        })
    })
  })
)

const newestFirst = ({ id: a }: { readonly id: RunId }, { id: b }: { readonly id: RunId }) => a < b ? 1 : -1

const attempt = <A>(operation: string, work: Effect.Effect<A, JobStoreUnavailable>) =>
  Effect.mapError(Tx.outside(work), ({ detail }) => new RunLogUnavailable({ operation, detail }))

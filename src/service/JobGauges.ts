/**
 * How jobs fare, as gauges: depth and age of every queue, and the oldest running work of every task.
 *
 * What is told is counted from the store, so it is the same on every node. It is counted when somebody asks for the
 * metrics, and once in 15 seconds at most. A store that does not answer leaves the last values.
 */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import { RunLog } from "../core/RunLog.ts"
import { jobIdOf } from "../jobs/Job.ts"
import * as JobFilter from "../jobs/JobFilter.ts"
import { JobStore } from "../jobs/JobStore.ts"
import * as gaugeFamily from "./internal/gaugeFamily.ts"
import * as QueueSummaries from "./QueueSummaries.ts"

// of the work that runs, so many of the newest are looked through for the oldest
const looked = 1000

/**
 * Makes what brings the gauges up to date.
 *
 * @category constructors
 */
export const make = Effect.gen(function*() {
  const store = yield* JobStore
  const log = yield* RunLog
  const jobs = gaugeFamily.make("ostinato_jobs", "Jobs that have not ended, by queue and state")
  const parked = gaugeFamily.make("ostinato_jobs_parked", "Available jobs that wait for a limit, by queue")
  const age = gaugeFamily.make(
    "ostinato_queue_oldest_job_age_seconds",
    "How long the oldest available job of the queue has waited"
  )
  const paused = gaugeFamily.make("ostinato_queue_paused", "1 where the queue is paused")
  const workers = gaugeFamily.make("ostinato_queue_workers", "Living workers that serve the queue, on all nodes")
  const throughput = gaugeFamily.make(
    "ostinato_queue_completed_per_second",
    "Jobs of the queue that completed within the last 5 seconds, for each of these"
  )
  const oldest = gaugeFamily.make(
    "ostinato_task_oldest_running_seconds",
    "How long the oldest work of the task that has not ended has run"
  )

  const queues = Effect.gen(function*() {
    const all = yield* QueueSummaries.list
    yield* jobs(
      all.flatMap(({ counts, name: queue }) =>
        Object.entries(counts).map(([state, value]) => ({ labels: { queue, state }, value }))
      )
    )
    yield* parked(all.map(({ name: queue, parked: value }) => ({ labels: { queue }, value })))
    yield* age(all.map(({ name: queue, oldestMs }) => ({ labels: { queue }, value: oldestMs / 1000 })))
    yield* paused(all.map(({ name: queue, pausedAt }) => ({ labels: { queue }, value: pausedAt === null ? 0 : 1 })))
    yield* workers(all.map(({ name: queue, workers: value }) => ({ labels: { queue }, value })))
    yield* throughput(all.map(({ name: queue, recent }) => ({ labels: { queue }, value: recent.perSecond })))
  })

  const running = Effect.gen(function*() {
    const filter: JobFilter.JobFilter = { ...JobFilter.all, states: ["running"] }
    const ofJobs = yield* store.query({ filter, before: null, limit: looked })
    const ofRuns = yield* log.list({ status: "running", limit: 200 })
    const now = yield* Clock.currentTimeMillis
    const ages = new Map<string, number>()
    const see = (task: string, startedAt: DateTime.Utc | null) => {
      // the clock of the store may be ahead
      const seconds = startedAt === null ? 0 : Math.max(0, now - DateTime.toEpochMillis(startedAt)) / 1000
      ages.set(task, Math.max(ages.get(task) ?? 0, seconds))
    }
    for (const { startedAt, task } of ofJobs) see(task, startedAt)
    for (const { id, startedAt, task } of ofRuns) if (jobIdOf(id) === null) see(task, startedAt)
    yield* oldest(Array.from(ages, ([task, value]) => ({ labels: { task }, value })))
  })

  const refresh = Effect.andThen(queues, running).pipe(
    Effect.provideService(JobStore, store),
    Effect.catchTag(["JobStoreUnavailable", "RunLogUnavailable"], (error) => Effect.logWarning(error.message)),
    Effect.withTracerEnabled(false)
  )
  return yield* Effect.cachedWithTTL(refresh, "15 seconds")
})

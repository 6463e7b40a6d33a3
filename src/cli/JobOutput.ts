/**
 * How jobs and queues look on the command line.
 */
import * as DateTime from "effect/DateTime"
import { Job } from "ostinato/jobs/Job"
import { QueueSummary } from "ostinato/service/QueuesApi"
import * as Output from "./Output.ts"
import * as Printable from "./Printable.ts"

const instant = (at: DateTime.Utc | null) => at === null ? "" : DateTime.formatIso(at)

/** Milliseconds as people say them, with the largest unit that fits. */
const span = (ms: number): string =>
  ms < 1000
    ? `${Math.round(ms)} ms`
    : ms < 60_000
    ? `${Math.round(ms / 1000)} s`
    : ms < 3_600_000
    ? `${Math.round(ms / 60_000)} min`
    : ms < 172_800_000
    ? `${Math.round(ms / 3_600_000)} h`
    : `${Math.round(ms / 86_400_000)} d`

/** What a job waits for, or why its newest attempt failed, in one sentence. */
const detail = ({ failure, reason }: Job) => reason ?? (failure === null ? "" : `${failure.tag}: ${failure.message}`)

/** Prints many jobs. */
export const jobs = Output.list(Job, {
  id: ({ id }) => id,
  state: ({ state }) => state,
  queue: ({ queue }) => queue,
  task: ({ task }) => task,
  attempt: ({ attempt, maxAttempts }) => `${attempt}/${maxAttempts}`,
  created: ({ createdAt }) => instant(createdAt),
  detail: (job) => Printable.short(detail(job), 80)
})

/** Prints one job. */
export const job = Output.one(Job, {
  id: ({ id }) => id,
  task: ({ task }) => task,
  queue: ({ queue }) => queue,
  state: ({ reason, state }) => reason === null ? state : `${state}: ${reason}`,
  attempt: ({ attempt, lost, maxAttempts }) =>
    `${attempt} of ${maxAttempts}${lost === 0 ? "" : `, lost with its worker ${lost} times`}`,
  priority: ({ priority }) => String(priority),
  tags: ({ meta }) => meta.tags?.join(", ") ?? "",
  tenant: ({ meta }) => meta.origin?.tenant ?? "",
  node: ({ node }) => node ?? "",
  created: ({ createdAt }) => instant(createdAt),
  due: ({ runAt }) => instant(runAt),
  started: ({ startedAt }) => instant(startedAt),
  finished: ({ finishedAt }) => instant(finishedAt),
  payload: ({ payload }) => JSON.stringify(payload),
  progress: ({ progress }) => progress === null ? "" : JSON.stringify(progress),
  output: ({ output }) => output === null ? "" : JSON.stringify(output),
  items: ({ report }) => report?.items?.summary ?? "",
  failure: ({ failure }) => failure === null ? "" : `${failure.tag}: ${failure.message}\n${failure.cause}`
})

const queueFields: Output.Columns<QueueSummary> = {
  queue: ({ name }) => name,
  state: ({ pausedAt }) => pausedAt === null ? "open" : "paused",
  available: ({ counts }) => String(counts.available),
  running: ({ counts }) => String(counts.running),
  scheduled: ({ counts }) => String(counts.scheduled),
  retryable: ({ counts }) => String(counts.retryable),
  pending: ({ counts }) => String(counts.pending),
  oldest: ({ counts, oldestMs }) => counts.available === 0 ? "" : span(oldestMs),
  limit: ({ limit }) => limit ?? "",
  workers: ({ workers }) => String(workers),
  rate: ({ recent }) => `${recent.perSecond}/s`
}

/** Prints many queues. */
export const queues = Output.list(QueueSummary, queueFields)

/** Prints one queue. */
export const queue = Output.one(QueueSummary, {
  ...queueFields,
  "last 5 s": ({ recent: { cancelled, completed, discarded, runMs } }) =>
    `${completed} completed, ${discarded} discarded, ${cancelled} cancelled` +
    (runMs === null ? "" : `, ${span(runMs)} on average`),
  parked: ({ parked }) => String(parked),
  paused: ({ pausedAt }) => instant(pausedAt),
  fair: ({ fair }) => fair ? "tenants take turns" : "no",
  ageing: ({ ageingMs }) => ageingMs === null ? "none" : `a step of priority in ${span(ageingMs)}`
})

/**
 * A job as a run: the same id, the same order, the same words.
 *
 * A job that waits (for its time, its turn, a retry, other jobs) is a run that waits. One that completed with failed
 * items is `partial`, one that was cancelled by its own handler is `skipped`, one that is discarded has failed.
 */
import * as DateTime from "effect/DateTime"
import type { Failure } from "../../core/TaskError.ts"
import { type RunDetails, type RunId, type RunStatus, TaskRun } from "../../core/TaskRun.ts"
import { isEnded, type Job, JobId, type JobState, runIdOf } from "../../jobs/Job.ts"
import type { AttemptEntry } from "../../jobs/JobStore.ts"

/** The states that jobs of this status can be in; none where no job ever has it. */
export const statesOf = (status: RunStatus): ReadonlyArray<JobState> => states[status] ?? []

const states: Partial<Record<RunStatus, ReadonlyArray<JobState>>> = {
  waiting: ["scheduled", "available", "retryable", "pending"],
  running: ["running"],
  completed: ["completed"],
  partial: ["completed"],
  failed: ["discarded"],
  cancelled: ["cancelled"],
  skipped: ["cancelled"]
}

/** Whether a job in such a state may be a run of another status, too. */
export const isAmbiguous = (status: RunStatus): boolean =>
  statesOf(status).some((state) => state === "completed" || state === "cancelled")

const statusOf = ({ failure, report, state }: Job): RunStatus => {
  switch (state) {
    case "running":
      return state
    case "cancelled":
      return failure?.tag === "TaskSkipped" ? "skipped" : "cancelled"
    case "completed":
      return (report?.items?.failed ?? 0) > 0 ? "partial" : "completed"
    case "discarded":
      return "failed"
    default:
      return "waiting"
  }
}

/** The job as a run. Its times are those of its newest attempt. */
export const runOf = (job: Job): TaskRun => {
  const [host, pid] = placeOf(job.node)
  return new TaskRun({
    id: runIdOf(job.id),
    task: job.task,
    trigger: job.meta.trigger ?? { kind: "code" },
    origin: job.meta.origin ?? { tenant: null, actor: null },
    executor: `queue ${job.queue}`,
    payload: job.payload,
    status: statusOf(job),
    attempts: isEnded(job.state) ? job.attempt : 0,
    host,
    pid,
    traceId: job.meta.traceparent?.split("-")[1] ?? null,
    startedAt: job.createdAt,
    finishedAt: job.finishedAt,
    queueMs: job.finishedAt === null ? null : between(job.availableAt, job.startedAt),
    runMs: job.finishedAt === null ? null : between(job.startedAt, job.finishedAt),
    output: job.output,
    failure: job.failure === null ? null : failureOf(job.failure),
    items: job.report?.items ?? null,
    cancellation: job.failure?.cancellation ?? null
  })
}

/**
 * What is kept of a job besides its record; null where there is nothing.
 */
export const detailsOf = (job: Job, entries: ReadonlyArray<AttemptEntry>): RunDetails | null => {
  if (!isEnded(job.state) && entries.length === 0) return null
  const kept = entries.map(({ at, attempt, failure, startedAt }) => ({
    task: job.task,
    number: attempt,
    runMs: between(startedAt, at) ?? 0,
    failure: failure === null ? null : failureOf(failure)
  }))
  // an attempt that neither failed nor logged left no entry
  const last = {
    task: job.task,
    number: job.attempt,
    runMs: between(job.startedAt, job.finishedAt) ?? 0,
    failure: null
  }
  const isTold = job.state !== "completed" || kept.some(({ number }) => number === job.attempt)
  return {
    attempts: isTold ? kept : [...kept, last],
    logs: entries.flatMap(({ logs }) => logs),
    ...(job.report?.stages === undefined ? {} : { stages: job.report.stages })
  }
}

/** The job before which all jobs are that, as runs, come before this one; null where that is every job, or none. */
export const boundOf = (before: RunId): { readonly before: JobId | null } | null => {
  const hex = before.toLowerCase().replaceAll("-", "")
  const millis = BigInt(`0x${hex.slice(0, 12)}`)
  const version = Number.parseInt(hex.slice(12, 13), 16)
  const high = BigInt(`0x${hex.slice(13, 16)}`)
  const low = Number.parseInt(hex.slice(16, 20), 16)
  const rest = /[1-9a-f]/.test(hex.slice(20)) ? 1n : 0n
  const within = version > 7
    ? 1n << 20n
    : version < 7
    ? 0n
    : (high << 8n) + (low < 0x8000 ? 0n : low > 0x80ff ? 0x100n : BigInt(low & 0xff) + rest)
  const bound = (millis << 20n) + within
  return bound <= 1n ? null : { before: bound >= 1n << 63n ? null : JobId.make(String(bound)) }
}

const failureOf = ({ cause, kind, message, tag }: Failure): Failure => ({ cause, kind, message, tag })

const between = (from: DateTime.Utc | null, to: DateTime.Utc | null): number | null =>
  from === null || to === null ? null : Math.max(0, DateTime.toEpochMillis(to) - DateTime.toEpochMillis(from))

// nodes of workers are named by host and process
const placeOf = (node: string | null): readonly [host: string, pid: number] => {
  const found = /^(.*):(\d+)$/.exec(node ?? "")
  return found === null ? [node ?? "", 0] : [found[1] ?? "", Number(found[2])]
}

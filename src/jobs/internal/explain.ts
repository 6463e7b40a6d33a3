/** What is known of a job, in sentences. */
import * as DateTime from "effect/DateTime"
import type { Job, JobId } from "../Job.ts"

export interface Facts {
  readonly pauses: ReadonlyArray<string>
  readonly servedBy: ReadonlyArray<string>
  /** Somebody serves the queue, if not the task. */
  readonly isQueueServed: boolean
  readonly ahead: number | null
  readonly waitsFor: ReadonlyArray<JobId>
  readonly failures: ReadonlyArray<{ readonly tag: string; readonly message: string }>
}

export const said = (job: Job, facts: Facts): { readonly summary: string; readonly notes: ReadonlyArray<string> } => {
  const obstacles = isOpen(job) ? obstaclesOf(job, facts) : []
  const [summary, ...rest] = job.state === "available"
    ? [...obstacles, ...inLine(job, facts, obstacles.length > 0)]
    : [sentence(job, facts), ...obstacles]
  return { summary: summary ?? `It is ${job.state}.`, notes: [...rest, ...notesOf(job)] }
}

const isOpen = ({ state }: Job) =>
  state === "available" || state === "scheduled" || state === "retryable" || state === "pending"

const obstaclesOf = ({ queue, task }: Job, { isQueueServed, pauses, servedBy }: Facts): ReadonlyArray<string> => [
  ...pauses.map((pause) => `It waits because ${pause.replace(":", " ")} is paused: resume it.`),
  ...(servedBy.length > 0
    ? []
    : isQueueServed
    ? [`No living worker of queue ${queue} has a handler for task ${task}: deploy one that does.`]
    : [`No living worker serves queue ${queue}: start one.`])
]

const inLine = (job: Job, { ahead }: Facts, isHeld: boolean): ReadonlyArray<string> => {
  // what the store says of a job that nothing holds back
  if (job.reason !== null && /limit/i.test(job.reason)) return [stated(job.reason)]
  const place = ahead === null
    ? "More than 1000 jobs of its queue wait as well."
    : ahead === 0
    ? isHeld ? "It is the next of its queue." : "It is the next of its queue and starts as soon as a worker is free."
    : `${ahead} ${ahead === 1 ? "job goes" : "jobs go"} before it in queue ${job.queue}.`
  return [place]
}

const sentence = (job: Job, { failures, waitsFor }: Facts): string => {
  const at = (instant: DateTime.Utc | null) => instant === null ? "" : ` at ${DateTime.formatIso(instant)}`
  const last = failures[0] ?? job.failure
  switch (job.state) {
    case "running":
      return `It runs on ${job.node ?? "a worker"} since${
        at(job.startedAt).slice(3)
      }, attempt ${job.attempt} of ${job.maxAttempts}.`
    case "scheduled": {
      // behind the instant a store says why, where a handler gave a reason
      if (job.reason !== null && /\blimit\b/.test(job.reason)) return stated(job.reason)
      const [, why] = /Z: (.+)$/s.exec(job.reason ?? "") ?? []
      return `It is due${at(job.runAt)}${why === undefined ? "" : `: ${why}`}.`
    }
    case "retryable":
      return `Attempt ${job.attempt} of ${job.maxAttempts} failed${because(last)}; the next one is due${at(job.runAt)}.`
    case "pending":
      return waitsFor.length === 0
        ? `It waits for other jobs${job.reason === null ? "" : `: ${job.reason}`}.`
        : `It waits for ${waitsFor.length} other ${waitsFor.length === 1 ? "job" : "jobs"} to end: ${listed(waitsFor)}.`
    case "completed":
      return `It completed${at(job.finishedAt)} with attempt ${job.attempt}.`
    case "cancelled": {
      const by = job.failure?.cancellation
      if (by === undefined) return `It was cancelled${at(job.finishedAt)}${because(job.failure)}.`
      return `It was cancelled${at(job.finishedAt)}${by.actor === null ? "" : ` by ${by.actor}`}` +
        `${by.reason === null ? "" : `: ${by.reason}`}.`
    }
    case "discarded":
      return `It was discarded${at(job.finishedAt)} after ${job.attempt} of ${job.maxAttempts} attempts${
        because(last)
      }.`
    case "available":
      return job.reason === null ? "It waits for a worker." : stated(job.reason)
  }
}

const notesOf = (job: Job): ReadonlyArray<string> => [
  // where it runs is said already
  ...(job.state === "running" && job.reason !== null && !job.reason.startsWith("runs on ") ? [stated(job.reason)] : []),
  ...(job.lost === 0 ? [] : [`Its worker was lost ${job.lost} ${job.lost === 1 ? "time" : "times"} while it ran.`]),
  ...(job.meta.deadline === undefined || !isOpen(job)
    ? []
    : [`It is discarded unless it has completed by ${DateTime.formatIso(DateTime.makeUnsafe(job.meta.deadline))}.`])
]

const because = (failure: { readonly tag: string; readonly message: string } | null | undefined) =>
  failure == null ? "" : ` with ${failure.tag}: ${failure.message.replace(/\.$/, "")}`

const listed = (ids: ReadonlyArray<JobId>) =>
  ids.length <= 5 ? ids.join(", ") : `${ids.slice(0, 5).join(", ")} and ${ids.length - 5} more`

/** What the store says of a job, as a sentence. */
const stated = (reason: string) => {
  const text = /^(is|waits|runs|was) /.test(reason)
    ? `It ${reason}`
    : `${reason.charAt(0).toUpperCase()}${reason.slice(1)}`
  return /[.!?]$/.test(text) ? text : `${text}.`
}

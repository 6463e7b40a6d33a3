/**
 * What the end of an attempt means for its job: one place for the whole table.
 *
 * | the attempt                                | the job                                                       |
 * |--------------------------------------------|---------------------------------------------------------------|
 * | gave a value                               | completed; discarded where the value does not fit             |
 * | failed, or took too long                   | as `onError` says, else retried by the policy, else discarded |
 * | broke, or interrupted itself               | retried by `retryDefects`, else discarded                     |
 * | broke because the database was away        | retried, after 1 to 60 seconds                                |
 * | snoozed, discarded itself                  | so it is                                                      |
 * | could not read its payload                 | snoozed, unspent: it goes on after a deploy                   |
 * | skipped                                    | cancelled                                                     |
 * | was cancelled                              | cancelled, by whom and why                                    |
 * | passed its deadline                        | discarded                                                     |
 * | was interrupted by the stop of its worker  | handed back, unspent: not decided here                        |
 * | lost its lease                             | somebody else's: not decided here                             |
 *
 * A defect is not retried unless somebody says so, as in every other executor: it is a bug, and repeating its effects is
 * what nobody has thought about.
 */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { fromCause, ResultInvalid, skipped, TaskInterrupted, TaskTimeout } from "../../../core/TaskError.ts"
import type { Cancellation } from "../../../core/TaskRun.ts"
import type { JobFailure } from "../../Job.ts"
import { DeadlinePassed } from "../../JobError.ts"
import type { End } from "../../JobStore.ts"
import { immediate } from "../immediate.ts"
import * as storeFailure from "../storeFailure.ts"
import { delayAfter, wasAway } from "./away.ts"
import type { LiveAttempt } from "./LiveAttempt.ts"
import * as replay from "./replay.ts"
import type { Served } from "./Served.ts"
import { signalled, Snoozed, Undecodable } from "./signal.ts"

/** Milliseconds that a job waits at most for its next attempt: 100 years. */
const longest = 3_155_760_000_000

/** The end of an attempt. */
export const ended = (
  live: LiveAttempt,
  outcome: End["outcome"],
  about?: Partial<Pick<End, "delayMs" | "output" | "failure" | "note">>
): End => ({
  job: live.job,
  outcome,
  delayMs: Math.min(longest, Math.ceil(about?.delayMs ?? 0)),
  output: about?.output,
  failure: about?.failure ?? null,
  note: about?.note ?? null,
  report: live.report,
  logs: live.logs
})

/** The end of an attempt that gave a value. */
export const completed = (live: LiveAttempt, served: Served, value: unknown): Effect.Effect<End> => {
  const output = served.encode(value)
  const plain = immediate(output)
  if (plain !== undefined) return Exit.succeed(ended(live, "completed", { output: plain.value }))
  return Effect.matchEffect(output, {
    onSuccess: (output) => Effect.succeed(ended(live, "completed", { output })),
    onFailure: (detail) =>
      Effect.map(
        stored(served, new ResultInvalid({ task: served.name, detail })),
        (failure) => ended(live, "discarded", { failure })
      )
  })
}

/** The end of an attempt that did not give a value. */
export const failed = Effect.fnUntraced(function*(live: LiveAttempt, served: Served, cause: Cause.Cause<unknown>) {
  const { job, verdict } = live
  if (verdict?.kind === "cancelled") return cancelled(live, verdict.by)
  if (verdict?.kind === "deadline") return expired(live)
  if (verdict?.kind === "timeout") {
    const timeout = new TaskTimeout({ task: job.task, timeoutMs: verdict.timeoutMs })
    return yield* retried(live, served, timeout, yield* stored(served, timeout))
  }
  const signal = signalled(cause)
  if (signal instanceof Snoozed) {
    return ended(live, "snooze", { delayMs: signal.delayMs, note: signal.reason })
  }
  if (signal instanceof Undecodable) return undecodable(live, signal)
  if (signal !== undefined) {
    return ended(live, "discarded", {
      failure: { kind: "failure", tag: "Discarded", message: signal.reason, cause: "" }
    })
  }
  const skip = skipped(cause)
  if (skip !== undefined) {
    return ended(live, "cancelled", { failure: yield* stored(served, skip) })
  }
  const failure = cause.reasons.find(Cause.isFailReason)
  if (failure !== undefined) {
    return yield* retried(live, served, failure.error, yield* stored(served, failure.error, cause))
  }
  const broken = Cause.hasDies(cause)
    ? fromCause(cause)
    : yield* stored(served, new TaskInterrupted({ task: job.task, reason: "it interrupted itself" }))
  const { retryDefects } = served.manners
  const delay = wasAway(cause)
    ? delayAfter(failures(live))
    : retryDefects === undefined
    ? null
    : yield* replay.delayAfter(retryDefects, failures(live), Cause.squash(cause))
  return again(live, delay, broken)
})

/** The end of a job that somebody wants to end. */
export const cancelled = (live: LiveAttempt, by: Cancellation): End =>
  ended(live, "cancelled", { failure: storeFailure.cancelled(by) })

/** Its task or its tenant is paused: it was not attempted. */
export const held = (live: LiveAttempt, hold: string): End => ended(live, "hold", { note: hold })

/** The end of an attempt that could not be judged. */
export const undecided = (live: LiveAttempt, cause: Cause.Cause<unknown>): End =>
  ended(live, "discarded", { failure: fromCause(cause) })

/** A Cause in one sentence. */
export const said = (cause: Cause.Cause<unknown>): string => {
  const failure = cause.reasons.find(Cause.isFailReason)
  return typeof failure?.error === "string" ? failure.error : fromCause(cause).message
}

/** The end of a job whose deadline is over. */
export const expired = (live: LiveAttempt): End =>
  ended(live, "discarded", {
    failure: fromCause(Cause.fail(new DeadlinePassed({ id: live.job.id, deadline: live.job.meta.deadline ?? 0 })))
  })

/** A failure as it is kept: for people, and where it can be written so, for whoever awaits the job. */
const stored = (
  served: Served,
  error: unknown,
  cause: Cause.Cause<unknown> = Cause.fail(error)
): Effect.Effect<JobFailure> =>
  Effect.map(
    Effect.exit(Effect.suspend(() => served.encodeError(error))),
    (json) => ({ ...fromCause(cause), ...(Exit.isSuccess(json) ? { error: json.value } : {}) })
  )

const failures = ({ job }: LiveAttempt) => Math.max(1, job.attempt - job.lost)

const retried = Effect.fnUntraced(function*(
  live: LiveAttempt,
  served: Served,
  error: unknown,
  failure: JobFailure
) {
  const { onError } = served.manners
  // typed where it was given; a decision that breaks is none
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as said
  const decision = onError === undefined ? "retry" : yield* Effect.sync(() => onError(error as never, live.job)).pipe(
    Effect.catchCause((cause) =>
      Effect.as(Effect.logError(`onError of task ${served.name} broke`, cause), "retry" as const)
    )
  )
  if (decision === "discard") return ended(live, "discarded", { failure })
  if (typeof decision === "object") {
    const delayMs = Duration.toMillis(Duration.fromInputUnsafe(decision.snooze))
    return ended(live, "snooze", { delayMs, failure, note: `${failure.tag}: ${failure.message}` })
  }
  const delay = served.retry === undefined ? null : yield* replay.delayAfter(served.retry, failures(live), error)
  return again(live, delay, failure)
})

const again = (live: LiveAttempt, delay: number | null, failure: JobFailure): End => {
  const { job } = live
  if (delay === null || job.attempt >= job.maxAttempts) return ended(live, "discarded", { failure })
  const { deadline } = job.meta
  return deadline !== undefined && live.storeNow + delay >= deadline
    ? ended(live, "discarded", { failure })
    : ended(live, "retry", { delayMs: delay, failure })
}

/** A payload that this process cannot read waits for one that can: it was not attempted. */
const undecodable = (live: LiveAttempt, { message }: Undecodable): End =>
  ended(live, "snooze", { delayMs: growing(live, 30_000, 600_000), note: message })

/** A job of a task that this process does not know waits for one that does. */
export const unknown = (live: LiveAttempt): End =>
  ended(live, "snooze", {
    delayMs: growing(live, 5000, 60_000),
    note: `the worker that claimed it has no handler for task ${live.job.task}`
  })

/** A job that has to run alone and could not here: it was not attempted. */
export const inTurn = (live: LiveAttempt, delayMs: number): End =>
  ended(live, "snooze", { delayMs, note: "it went down with its workers before, so it waits until it can run alone" })

// by what it has waited already, so nothing has to be kept for it
const growing = (live: LiveAttempt, least: number, most: number): number =>
  Math.min(most, Math.max(least, (live.storeNow - live.job.createdAt) / 2))

/** What a pool tells: to the log, the metrics and the hook for defects. Refusals are told once in 10 seconds, with their number. */
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as PoolMetrics from "../../PoolMetrics.ts"
import { fromCause } from "../../TaskError.ts"
import { isRecorded } from "./prepare.ts"
import type { Submission } from "./Submission.ts"

export interface Report {
  readonly refused: (policy: string) => void
  readonly slow: (submission: Submission, task: string, softTimeout: number) => void
  readonly failed: (submission: Submission, task: string, cause: Cause.Cause<unknown>) => void
  /** Work that is over its limit, and broke when it was asked to stop. */
  readonly broken: (submission: Submission, task: string, cause: Cause.Cause<unknown>) => void
  readonly abandoned: (task: string) => void
}

/** Milliseconds between two lines about refusals. */
const quiet = 10_000

export const make = (options: {
  readonly pool: string
  readonly context: Context.Context<never>
  readonly now: () => number
  readonly onDefect: ((cause: Cause.Cause<unknown>, task: string) => Effect.Effect<void>) | undefined
}): Report => {
  const { context, now, onDefect, pool } = options
  const say = (there: Context.Context<never>, effect: Effect.Effect<void>) =>
    void Effect.runForkWith(there)(Effect.annotateLogs(effect, { pool }))
  const hooked = (there: Context.Context<never>, cause: Cause.Cause<unknown>, task: string) => {
    if (onDefect === undefined) return
    say(there, Effect.catchCause(onDefect(cause, task), (broken) => Effect.logError("onDefect broke", broken)))
  }
  let refusals = 0
  let toldAt = Number.NEGATIVE_INFINITY

  return {
    refused: (policy) => {
      refusals += 1
      if (now() - toldAt < quiet) return
      toldAt = now()
      say(context, Effect.logWarning(`pool ${pool} is full: ${refusals} refused by its policy ${policy}`))
      refusals = 0
    },
    slow: (submission, task, softTimeout) => {
      PoolMetrics.count(context, PoolMetrics.slow, { pool, task })
      say(
        submission.context ?? context,
        Effect.logWarning(`task ${task} runs longer than its soft limit of ${softTimeout} ms: make it smaller`)
      )
    },
    failed: (submission, task, cause) => {
      const there = submission.context ?? context
      const isDefect = Cause.hasDies(cause)
      PoolMetrics.count(context, PoolMetrics.failed, { pool, task, kind: isDefect ? "defect" : "failure" })
      const { message, tag } = fromCause(cause)
      if (isRecorded(submission.work)) void 0
      else if (isDefect) say(there, Effect.logError(`task ${task} broke: ${tag}: ${message}`, cause))
      else say(there, Effect.logWarning(`task ${task} failed: ${tag}: ${message}`))
      if (isDefect) hooked(there, cause, task)
    },
    broken: (submission, task, cause) => {
      const there = submission.context ?? context
      if (!isRecorded(submission.work)) {
        say(there, Effect.logError(`task ${task} broke while it stopped`, cause))
      }
      hooked(there, cause, task)
    },
    abandoned: (task) => {
      PoolMetrics.count(context, PoolMetrics.abandoned, { pool, task })
      say(context, Effect.logError(`task ${task} did not stop when it was asked to: it is abandoned`))
    }
  }
}

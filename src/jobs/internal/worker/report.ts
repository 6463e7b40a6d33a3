/** What a worker tells about its attempts: to the log and the metrics. A completion is a line of the log for debugging only. */
import type * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as LogLevel from "effect/LogLevel"
import * as References from "effect/References"
import * as JobMetrics from "../../JobMetrics.ts"
import type { End } from "../../JobStore.ts"
import type { LiveAttempt } from "./LiveAttempt.ts"

export interface Report {
  /** `at`: when it ended, in milliseconds of the worker's life. */
  readonly ended: (live: LiveAttempt, end: End, at: number) => void
  readonly stuck: (live: LiveAttempt) => void
  readonly brokeWhileStopping: (live: LiveAttempt, cause: Cause.Cause<unknown>) => void
}

export const make = (base: Context.Context<never>): Report => {
  const fork = Effect.runForkWith(base)
  const say = (live: LiveAttempt, line: Effect.Effect<void>) => void fork(Effect.annotateLogs(line, live.annotations))
  const isDebugging = LogLevel.isLessThanOrEqualTo(Context.get(base, References.MinimumLogLevel), "Debug")
  const metrics = JobMetrics.make(base)
  return {
    ended: (live, end, at) => {
      const { job } = live
      const waited = live.begunAt === -1 ? 0 : live.begunAt - live.claimedAt
      metrics.ended(job.queue, job.task, end.outcome, {
        queueMs: Math.max(0, job.startedAt - job.availableAt) + waited,
        runMs: live.begunAt === -1 ? -1 : at - live.begunAt
      })
      if (end.failure === null) {
        if (isDebugging) say(live, Effect.logDebug(`job ${end.outcome}${end.note === null ? "" : `: ${end.note}`}`))
        return
      }
      const { cause, message, tag } = end.failure
      if (end.outcome === "cancelled") return say(live, Effect.logInfo(`job ${message}`))
      const line = `job failed: ${tag}: ${message}`
      if (end.outcome === "discarded") {
        return say(live, Effect.annotateLogs(Effect.logError(`${line}; it is discarded`), { cause }))
      }
      say(
        live,
        Effect.annotateLogs(Effect.logWarning(`${line}; again in ${Math.round(end.delayMs)} ms`), { cause })
      )
    },
    stuck: (live) =>
      say(live, Effect.logError(`attempt of task ${live.job.task} did not stop when it was asked to: it is abandoned`)),
    brokeWhileStopping: (live, cause) =>
      say(live, Effect.logError(`attempt of task ${live.job.task} broke while it stopped`, cause))
  }
}

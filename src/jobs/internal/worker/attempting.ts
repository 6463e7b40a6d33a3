/** What one attempt runs: its payload decoded, then its handler, in a span where one is wanted; and in which context. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { immediate } from "../immediate.ts"
import { CurrentAttempt, type LiveAttempt } from "./LiveAttempt.ts"
import * as outcome from "./outcome.ts"
import type { Served } from "./Served.ts"
import { Undecodable } from "./signal.ts"
import { spanned } from "./span.ts"

export const contextOf = (live: LiveAttempt, { ready }: Served): Context.Context<never> => {
  const subject = { attempt: live, journal: live, origin: live.job.meta.origin, annotations: live.annotations }
  return Context.add(ready.context(subject), CurrentAttempt, live)
}

export const effectOf = (live: LiveAttempt, served: Served, isTraced: boolean): Effect.Effect<unknown, unknown> => {
  const effect = decodedAndRun(live, served)
  return isTraced || live.job.meta.traceparent !== undefined ? spanned(effect, live) : effect
}

const decodedAndRun = (live: LiveAttempt, served: Served): Effect.Effect<unknown, unknown> => {
  const { job } = live
  const attempt = (payload: unknown) =>
    served.ready.attempt(
      payload,
      () => ({ runId: live.runId, task: job.task, attempt: job.attempt, payload }),
      live.limitMs
    )
  const decoded = served.decode(job.payload, job.meta.version ?? 1)
  const payload = immediate(decoded)
  if (payload !== undefined) return attempt(payload.value)
  return Effect.flatMap(
    Effect.catchCause(decoded, (cause) => Effect.die(new Undecodable({ detail: outcome.said(cause) }))),
    attempt
  )
}

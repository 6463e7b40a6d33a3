/**
 * The span of an attempt: a root of its own, linked to whoever enqueued the job. Made where somebody traces, or did when
 * the job was enqueued.
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Headers from "effect/http/Headers"
import * as HttpTraceContext from "effect/http/HttpTraceContext"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"
import type { LiveAttempt } from "./LiveAttempt.ts"

export const isTraced = (base: Context.Context<never>): boolean => base.mapUnsafe.has(Tracer.Tracer.key)

export const spanned = <A, E>(attempt: Effect.Effect<A, E>, live: LiveAttempt): Effect.Effect<A, E> => {
  const { job } = live
  const from = job.meta.traceparent === undefined
    ? Option.none()
    : HttpTraceContext.w3c(Headers.fromInput({ traceparent: job.meta.traceparent }))
  return Effect.withSpan(attempt, `job ${job.task}`, {
    kind: "consumer",
    root: true,
    links: Option.isSome(from) ? [{ span: from.value, attributes: {} }] : [],
    attributes: {
      "ostinato.job.id": job.id,
      "ostinato.run.id": live.runId,
      "ostinato.task": job.task,
      "ostinato.queue": job.queue,
      "ostinato.job.attempt": job.attempt
    }
  })
}

/** Who asks for a job, and why: what it carries on from the fiber that asks. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Attempt } from "../../../core/Attempt.ts"
import { RunContext } from "../../../core/RunContext.ts"
import type { Surroundings } from "./prepare.ts"

export const surroundings: Effect.Effect<Surroundings> = Effect.gen(function*() {
  const context = yield* Effect.context()
  const origin = yield* RunContext
  const span = yield* Effect.option(Effect.currentSpan)
  const attempt = Context.getOption(context, Attempt)
  return {
    origin,
    trigger: Option.isSome(attempt) ? { kind: "task", runId: attempt.value.runId } : { kind: "code" },
    traceparent: Option.isNone(span)
      ? null
      : `00-${span.value.traceId}-${span.value.spanId}-${span.value.sampled ? "01" : "00"}`,
    now: yield* Clock.currentTimeMillis
  }
})

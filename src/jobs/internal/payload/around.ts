/** Who asks for a job, and why: what it carries on from the fiber that asks. */
import * as Context from "effect/Context"
import * as Tracer from "effect/Tracer"
import { Attempt } from "../../../core/Attempt.ts"
import { RunContext } from "../../../core/RunContext.ts"
import type { Surroundings } from "./prepare.ts"

// asked for with each single job: nothing here fails, for an error that nobody reads costs more than all the rest
export const surroundings = (context: Context.Context<never>): Surroundings => {
  const span = Context.getOrUndefined(context, Tracer.ParentSpan)
  const attempt = Context.getOrUndefined(context, Attempt)
  return {
    origin: Context.get(context, RunContext),
    trigger: attempt === undefined ? null : { kind: "task", runId: attempt.runId },
    traceparent: span === undefined ? null : `00-${span.traceId}-${span.spanId}-${span.sampled ? "01" : "00"}`
  }
}

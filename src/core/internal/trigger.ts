/** What started the run that this fiber belongs to. */
import * as Context from "effect/Context"
import type { Trigger } from "../TaskRun.ts"

export const CurrentTrigger: Context.Reference<Trigger> = Context.Reference("ostinato/core/internal/trigger", {
  defaultValue: (): Trigger => ({ kind: "code" })
})

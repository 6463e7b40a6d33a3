/** A run by hand, where a test is about its record and not about its work. */
import * as Effect from "effect/Effect"
import { type RunEnd, RunLog } from "ostinato/core/RunLog"
import { NextRunId } from "ostinato/core/TaskRun"

/** Begins one in the log. */
export const begin = Effect.gen(function*() {
  const log = yield* RunLog
  const id = yield* Effect.flatten(NextRunId)
  yield* log.begin({
    id,
    task: "by.hand",
    trigger: { kind: "code" },
    origin: { tenant: null, actor: null },
    executor: "here",
    status: "running",
    payload: null,
    traceId: null
  })
  return id
})

/** That it ended well. */
export const ended: RunEnd = {
  status: "completed",
  attempts: 1,
  queueMs: 0,
  runMs: 1,
  output: null,
  failure: null,
  items: null,
  details: { attempts: [], logs: [] }
}

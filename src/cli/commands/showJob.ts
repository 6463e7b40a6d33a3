/**
 * `ostinato jobs show JOB`: one job, with what is kept of it.
 */
import * as Effect from "effect/Effect"
import type { JobId } from "ostinato/jobs/Job"
import * as JobQueue from "ostinato/jobs/JobQueue"
import * as Redaction from "ostinato/service/Redaction"
import * as Application from "../Application.ts"
import * as JobOutput from "../JobOutput.ts"
import * as Output from "../Output.ts"

interface Wish {
  readonly job: JobId
  readonly output: Output.Format
  readonly json: boolean
}

/** On the database of the application. */
export const showJob = Effect.fn("cli.jobs.show")(function*(wish: Wish) {
  return yield* Application.on(yield* Application.load, show(wish))
})

/** On a store that is there. */
export const show = Effect.fnUntraced(function*(wish: Wish) {
  yield* JobOutput.job(Output.formatOf(wish), yield* Effect.flatMap(JobQueue.get(wish.job), Redaction.job))
})

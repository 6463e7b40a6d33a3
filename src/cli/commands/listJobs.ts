/**
 * `ostinato jobs list`: the jobs that a filter finds, newest first. Needs no running service.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { JobId } from "ostinato/jobs/Job"
import * as JobFilter from "ostinato/jobs/JobFilter"
import * as JobQueue from "ostinato/jobs/JobQueue"
import * as Redaction from "ostinato/service/Redaction"
import * as Application from "../Application.ts"
import * as JobOutput from "../JobOutput.ts"
import * as Output from "../Output.ts"

interface Wish {
  readonly query: string
  readonly before: Option.Option<JobId>
  readonly limit: number
  readonly output: Output.Format
  readonly json: boolean
}

/** On the database of the application. */
export const listJobs = Effect.fn("cli.jobs.list")(function*(wish: Wish) {
  return yield* Application.on(yield* Application.load, list(wish))
})

/** On a store that is there. */
export const list = Effect.fnUntraced(function*(wish: Wish) {
  const filter = yield* JobFilter.parse(wish.query)
  const before = Option.getOrUndefined(wish.before)
  const jobs = yield* JobQueue.query(filter, { before, limit: wish.limit })
  yield* JobOutput.jobs(Output.formatOf(wish), yield* Effect.forEach(jobs, Redaction.job))
})

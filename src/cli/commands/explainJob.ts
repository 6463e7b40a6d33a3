/**
 * `ostinato jobs explain JOB`: why a job does not run, or what became of it.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type { JobId } from "ostinato/jobs/Job"
import { JobExplanation } from "ostinato/jobs/JobExplanation"
import * as JobQueue from "ostinato/jobs/JobQueue"
import * as Application from "../Application.ts"
import * as Output from "../Output.ts"

interface Wish {
  readonly job: JobId
  readonly output: Output.Format
  readonly json: boolean
}

/** On the database of the application. */
export const explainJob = Effect.fn("cli.jobs.explain")(function*(wish: Wish) {
  return yield* Application.on(yield* Application.load, explain(wish))
})

/** On a store that is there. */
export const explain = Effect.fnUntraced(function*(wish: Wish) {
  yield* print(Output.formatOf(wish), yield* JobQueue.explain(wish.job))
})

const print = Output.one(JobExplanation, {
  job: ({ id }) => id,
  state: ({ state }) => state,
  why: ({ notes, summary }) => [summary, ...notes].join("\n"),
  due: ({ dueAt }) => dueAt === null ? "" : DateTime.formatIso(dueAt),
  ahead: ({ ahead }) => ahead === null ? "" : String(ahead),
  "waits for": ({ waitsFor }) => waitsFor.join(", "),
  "served by": ({ servedBy }) => servedBy.join(", "),
  pauses: ({ pauses }) => pauses.join(", "),
  limit: ({ limit }) => limit === null ? "" : `${limit.name}${limit.key === null ? "" : `, key ${limit.key}`}`,
  failures: ({ failures }) => failures.map(({ attempt, message, tag }) => `${attempt}: ${tag}: ${message}`).join("\n")
})

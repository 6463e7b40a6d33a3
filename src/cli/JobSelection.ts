/**
 * Which jobs a command is about: those with the ids that it was given, or those that a filter finds, never all by accident.
 */
import * as Argument from "effect/cli/Argument"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { JobId } from "ostinato/jobs/Job"
import type { JobFilterInvalid, JobStoreUnavailable } from "ostinato/jobs/JobError"
import * as JobFilter from "ostinato/jobs/JobFilter"
import * as JobQueue from "ostinato/jobs/JobQueue"
import type { JobStore } from "ostinato/jobs/JobStore"
import { Changed } from "ostinato/service/JobsApi"
import * as Confirm from "./Confirm.ts"
import * as Output from "./Output.ts"
import { UsageError } from "./UsageError.ts"

/** The arguments and flags of commands that change jobs. */
export const parameters = {
  jobs: Argument.String("job").pipe(
    Argument.withSchema(JobId),
    Argument.withDescription("Ids of jobs"),
    Argument.variadic()
  ),
  query: Flag.String("query").pipe(
    Flag.withAlias("q"),
    Flag.withDescription("Jobs that this filter finds, e.g. \"state:discarded queue:mail error:RateLimited\""),
    Flag.optional
  ),
  ...Confirm.flags
} as const

/** What they say. */
export interface Wish {
  readonly jobs: ReadonlyArray<JobId>
  readonly query: Option.Option<string>
  readonly yes: boolean
  readonly dryRun: boolean
  readonly output: Output.Format
  readonly json: boolean
}

/** Not one of the jobs is there. */
export class NoJobs extends Schema.TaggedError<NoJobs>()("NoJobs", { detail: Schema.String }) {
  override get message() {
    return this.detail
  }
}

/** The jobs that are meant: by their ids, or those that a filter finds. Fails where there are none, or where both are given. */
export const meant = Effect.fnUntraced(function*(verb: string, wish: Wish): Effect.fn.Return<
  Meant,
  UsageError | NoJobs | JobFilterInvalid | JobStoreUnavailable,
  JobStore
> {
  const text = Option.getOrElse(wish.query, () => "").trim()
  if (wish.jobs.length > 0 === (text !== "")) {
    return yield* new UsageError({
      detail: wish.jobs.length > 0
        ? "give ids or --query, not both"
        : `say which jobs to ${verb}: ids, or --query with a filter, e.g. --query "state:discarded"`
    })
  }
  if (text === "") return { selection: wish.jobs, count: wish.jobs.length, what: `${verb} ${jobs(wish.jobs.length)}` }
  const selection = yield* JobFilter.parse(text)
  const count = yield* JobQueue.count(selection, { atMost })
  if (count === 0) return yield* new NoJobs({ detail: `no job is found by "${text}"` })
  return { selection, count, what: `${verb} ${count === atMost ? `${atMost} jobs or more` : jobs(count)}` }
})

interface Meant {
  readonly selection: ReadonlyArray<JobId> | JobFilter.JobFilter
  /** Counted up to 100,000. */
  readonly count: number
  /** What is to be done, in words. */
  readonly what: string
}

/** The jobs, if they are to be changed; null where they are not. A filter asks first, ids are meant as they are. */
export const confirmed = Effect.fnUntraced(function*(verb: string, wish: Wish) {
  const { count, selection, what } = yield* meant(verb, wish)
  if (wish.dryRun) {
    yield* only(what, count, wish)
    return null
  }
  return !("ids" in selection) || (yield* Confirm.ask(what, wish)) ? selection : null
})

/** What a dry run says. */
const only = (what: string, found: number, wish: Wish) => {
  const format = Output.formatOf(wish)
  return format === "table"
    ? Console.log(`would ${what}`)
    : print(format, { found, done: 0, dryRun: true, more: false })
}

const print = Output.one(Changed, {})

const atMost = 100_000

/** So many jobs, in words. */
export const jobs = (count: number): string => count === 1 ? "1 job" : `${count} jobs`

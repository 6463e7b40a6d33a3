/** What a test says of the jobs that are there, and of those that must not be. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Formatter from "effect/Formatter"
import { NodeInspectSymbol } from "effect/Inspectable"
import * as Schema from "effect/Schema"
import type { Any } from "../../../core/Task.ts"
import type { Job, JobState } from "../../../jobs/Job.ts"
import type { JobStoreUnavailable } from "../../../jobs/JobError.ts"
import * as JobFilter from "../../../jobs/JobFilter.ts"
import { JobStore } from "../../../jobs/JobStore.ts"
import { differences, type Expected, told } from "./expectation.ts"

/**
 * There is no job such as a test expects.
 *
 * @category errors
 */
export class JobNotEnqueued extends Schema.TaggedError<JobNotEnqueued>()("JobNotEnqueued", {
  expected: Schema.String,
  /** The nearest ones, each with what differs. */
  nearest: Schema.Array(Schema.String)
}) {
  override get message() {
    const nearest = this.nearest.length === 0 ? ["There are no jobs at all."] : ["Nearest:", ...this.nearest]
    return [`no job is ${this.expected}`, ...nearest].join("\n")
  }

  // a test runner that shows the fields of an error instead of its message would hide the lines among them
  override [NodeInspectSymbol]() {
    return this.message
  }
}

/**
 * There is a job that a test does not expect.
 *
 * @category errors
 */
export class JobEnqueued extends Schema.TaggedError<JobEnqueued>()("JobEnqueued", {
  unexpected: Schema.String,
  found: Schema.Array(Schema.String)
}) {
  override get message() {
    return [`there should be no job that is ${this.unexpected}, and there is`, ...this.found].join("\n")
  }

  // as above
  override [NodeInspectSymbol]() {
    return this.message
  }
}

/**
 * What a job must be for a test to accept it. What is left out may be anything.
 *
 * @category models
 */
export interface Expectation {
  readonly task?: Any | string | undefined
  readonly queue?: string | undefined
  readonly state?: JobState | undefined
  readonly priority?: number | undefined
  /** All of them. */
  readonly tags?: ReadonlyArray<string> | undefined
  readonly tenant?: string | undefined
  /** In its JSON form. Objects may hold more than is said here. */
  readonly payload?: unknown
  /** When it is due. */
  readonly at?: DateTime.DateTime | undefined
}

/**
 * Fails unless there is such a job, ended or not, and shows the nearest ones with what differs. Gives the newest.
 *
 * @category reading
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { TestClock } from "effect/testing"
 * import { Task } from "ostinato"
 * import { JobQueue } from "ostinato/jobs"
 * import { TestJobs } from "ostinato/testing"
 *
 * const Mail = Task.make("docs.letter", { payload: { to: Schema.String, copies: Schema.Int } })
 *
 * const error = await Effect.gen(function*() {
 *   yield* JobQueue.enqueue(Mail, { to: "ada", copies: 2 }, { priority: "high" })
 *   yield* TestJobs.assertEnqueued({ task: Mail, payload: { to: "ada" } })
 *   return yield* Effect.flip(TestJobs.assertEnqueued({ task: Mail, payload: { to: "bob" }, priority: -100 }))
 * }).pipe(Effect.provide([TestJobs.layer, TestClock.layer()]), Effect.runPromise)
 *
 * error.message.includes(`payload.to: expected "bob", is "ada"`) // => true
 * ```
 */
export const assertEnqueued = Effect.fn("TestJobs.assertEnqueued")(function*(
  expectation: Expectation
): Effect.fn.Return<Job, JobNotEnqueued | JobStoreUnavailable, JobStore> {
  const expected = expectedOf(expectation)
  const jobs = yield* all
  const compared = jobs.map((job) => ({ job, differs: differences(expected, job) }))
  const found = compared.find(({ differs }) => differs.length === 0)
  if (found !== undefined) return found.job
  const nearest = compared.toSorted((a, b) => a.differs.length - b.differs.length).slice(0, 3)
  return yield* new JobNotEnqueued({
    expected: Formatter.formatJson(expected),
    nearest: nearest.map(({ differs, job }) => [`  ${told(job)}`, ...differs.map((line) => `    ${line}`)].join("\n"))
  })
})

/**
 * Fails if there is such a job, ended or not, and shows it.
 *
 * @category reading
 */
export const assertNotEnqueued = Effect.fn("TestJobs.assertNotEnqueued")(function*(
  unexpected: Expectation
): Effect.fn.Return<void, JobEnqueued | JobStoreUnavailable, JobStore> {
  const expected = expectedOf(unexpected)
  const found = (yield* all).filter((job) => differences(expected, job).length === 0)
  if (found.length === 0) return
  return yield* new JobEnqueued({
    unexpected: Formatter.formatJson(expected),
    found: found.slice(0, 3).map((job) => `  ${told(job)}`)
  })
})

const all = Effect.gen(function*() {
  const store = yield* JobStore
  const jobs: Array<Job> = []
  let page: ReadonlyArray<Job> = yield* store.query({ filter: JobFilter.all, before: null, limit: 1000 })
  while (page.length > 0) {
    jobs.push(...page)
    page = yield* store.query({ filter: JobFilter.all, before: page.at(-1)?.id ?? null, limit: 1000 })
  }
  return jobs
})

const expectedOf = ({ at, payload, priority, queue, state, tags, task, tenant }: Expectation): Expected => ({
  ...task === undefined ? {} : { task: typeof task === "string" ? task : task.name },
  ...queue === undefined ? {} : { queue },
  ...state === undefined ? {} : { state },
  ...priority === undefined ? {} : { priority },
  ...tags === undefined ? {} : { tags },
  ...tenant === undefined ? {} : { tenant },
  ...payload === undefined ? {} : { payload },
  ...at === undefined ? {} : { dueAt: DateTime.toEpochMillis(at) }
})

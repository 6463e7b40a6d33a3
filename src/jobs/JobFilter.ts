/**
 * One language for finding jobs, the same in code, API and command line: terms with blanks between them, all of which
 * must hold.
 *
 *   state:available,running queue:sync task:insights.sync tag:nightly tenant:acme error:RateLimited node:worker-1
 *   trace:4bf92f3577b34da6a3ce929d0e0e4736 id:1234 payload.user.plan:business payload.size>=10 since:2h until:2026-11-01
 *
 * Values with a comma between them are alternatives, but for `tag`, of which a job must have all. `kind` is another name
 * of `task`. A value with blanks, commas or quotes is quoted: `queue:"my queue"`. `since` and `until` take an instant
 * (`2026-11-01`, `2026-11-01T08:00:00Z`; UTC unless it says otherwise) or how long ago: `90s`, `5m`, `2h`, `7d`, `"2 weeks"`.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as hints from "./internal/filter/hints.ts"
import * as match from "./internal/filter/match.ts"
import * as read from "./internal/filter/read.ts"
import * as write from "./internal/filter/write.ts"
import type { Job, JobId, JobState } from "./Job.ts"
import { JobFilterInvalid } from "./JobError.ts"

/**
 * What a filter asks for: all of its parts. An empty list asks for nothing.
 *
 * @category models
 */
export interface JobFilter {
  readonly ids: ReadonlyArray<JobId>
  readonly states: ReadonlyArray<JobState>
  readonly queues: ReadonlyArray<string>
  readonly tasks: ReadonlyArray<string>
  /** All of them. */
  readonly tags: ReadonlyArray<string>
  readonly tenants: ReadonlyArray<string>
  /** Tags of the newest failure, e.g. `RateLimited`. */
  readonly errors: ReadonlyArray<string>
  readonly nodes: ReadonlyArray<string>
  readonly traces: ReadonlyArray<string>
  /** Places in the payload and what is there: equal to a value, or within bounds. */
  readonly payload: ReadonlyArray<PayloadTerm>
  /** Created at or after. */
  readonly since: DateTime.Utc | null
  /** Created before. */
  readonly until: DateTime.Utc | null
}

/**
 * @category models
 */
export interface PayloadTerm {
  /** e.g. `["user", "plan", "name"]`. */
  readonly path: ReadonlyArray<string>
  readonly operator: "=" | "<" | "<=" | ">" | ">="
  /** As written; compared as a number where both sides are numbers. */
  readonly value: string
}

/**
 * Every job.
 *
 * @category constants
 */
export const all: JobFilter = {
  ids: [],
  states: [],
  queues: [],
  tasks: [],
  tags: [],
  tenants: [],
  errors: [],
  nodes: [],
  traces: [],
  payload: [],
  since: null,
  until: null
}

/**
 * Reads a filter. An instant given as how long ago is counted from now, by the Clock of the program.
 *
 * @category decoding
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { JobFilter } from "ostinato/jobs"
 *
 * const filter = await Effect.runPromise(JobFilter.parse("state:discarded error:RateLimited payload.size>=10"))
 * filter.errors // => ["RateLimited"]
 * filter.payload // => [{ path: ["size"], operator: ">=", value: "10" }]
 * ```
 */
export const parse = (text: string): Effect.Effect<JobFilter, JobFilterInvalid> =>
  Effect.flatMap(DateTime.now, (now) => Effect.fromResult(parseAt(text, now)))

/**
 * Reads a filter as of an instant.
 *
 * @category decoding
 */
export const parseAt = (text: string, now: DateTime.Utc): Result.Result<JobFilter, JobFilterInvalid> =>
  Result.mapError(read.filter(all, text, now), (detail) => new JobFilterInvalid({ filter: text, detail }))

/**
 * Writes a filter so that `parse` reads the same again.
 *
 * @category encoding
 * @example
 * ```ts
 * import { JobFilter } from "ostinato/jobs"
 *
 * JobFilter.format({ ...JobFilter.all, states: ["discarded"], queues: ["my queue"] }) // => 'state:discarded queue:"my queue"'
 * ```
 */
export const format = (filter: JobFilter): string => write.filter(filter)

/**
 * Whether the filter finds a job.
 *
 * @category guards
 */
export const matches = (filter: JobFilter, job: Job): boolean => match.matches(filter, job)

/**
 * How the last term of an unfinished filter may go on, for a shell or a search box: whole terms, the likeliest first.
 *
 * @category combinators
 * @example
 * ```ts
 * import { JobFilter } from "ostinato/jobs"
 *
 * JobFilter.complete("queue:sync state:r") // => ["state:running", "state:retryable"]
 * ```
 */
export const complete = (text: string, known?: {
  readonly queues?: ReadonlyArray<string> | undefined
  readonly tasks?: ReadonlyArray<string> | undefined
  readonly nodes?: ReadonlyArray<string> | undefined
}): ReadonlyArray<string> => hints.complete(text, known ?? {})

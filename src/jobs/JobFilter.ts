/**
 * One language for finding jobs, the same in code, API and command line.
 */
import type * as DateTime from "effect/DateTime"
import type { JobId, JobState } from "./Job.ts"

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

/** Whether a filter finds a job: what a store in memory does for each, and what others must agree with. */
import * as DateTime from "effect/DateTime"
import type * as Schema from "effect/Schema"
import type { Job } from "../../Job.ts"
import type { JobFilter, PayloadTerm } from "../../JobFilter.ts"

export const matches = (filter: JobFilter, job: Job): boolean =>
  isOne(filter.ids, job.id) &&
  isOne(filter.states, job.state) &&
  isOne(filter.queues, job.queue) &&
  isOne(filter.tasks, job.task) &&
  filter.tags.every((tag) => job.meta.tags?.includes(tag) === true) &&
  isOne(filter.tenants, job.meta.origin?.tenant) &&
  isOne(filter.errors, job.failure?.tag) &&
  isOne(filter.nodes, job.node) &&
  isOne(filter.traces, job.meta.traceparent?.split("-")[1]) &&
  filter.payload.every((term) => holds(term, job.payload)) &&
  (filter.since === null || DateTime.toEpochMillis(job.createdAt) >= DateTime.toEpochMillis(filter.since)) &&
  (filter.until === null || DateTime.toEpochMillis(job.createdAt) < DateTime.toEpochMillis(filter.until))

const isOne = <A>(wanted: ReadonlyArray<A>, is: A | null | undefined): boolean =>
  wanted.length === 0 || (is !== null && is !== undefined && wanted.includes(is))

const holds = ({ operator, path, value }: PayloadTerm, payload: Schema.Json): boolean => {
  let at: unknown = payload
  for (const name of path) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, name)) return false
    at = Reflect.get(at, name)
  }
  if (typeof at === "object" && at !== null) return false
  const order = compare(at, value)
  switch (operator) {
    case "=":
      return order === 0
    case "<":
      return order < 0
    case "<=":
      return order <= 0
    case ">":
      return order > 0
    case ">=":
      return order >= 0
  }
}

const number = /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/

const compare = (is: unknown, written: string): number => {
  if (typeof is === "number" && number.test(written)) return is - Number(written)
  const text = String(is)
  return text === written ? 0 : text < written ? -1 : 1
}

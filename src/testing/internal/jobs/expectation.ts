/** Whether a job is what a test expects, and in what it differs. */
import * as Predicate from "effect/Predicate"
import type * as Schema from "effect/Schema"
import type { Job } from "../../../jobs/Job.ts"

export interface Expected {
  readonly task?: string
  readonly queue?: string
  readonly state?: string
  readonly priority?: number
  readonly tags?: ReadonlyArray<string>
  readonly tenant?: string
  readonly payload?: unknown
  /** Due at this instant, in milliseconds since 1970. */
  readonly dueAt?: number
}

/** One line for each thing in which it differs. */
export const differences = (expected: Expected, job: Job): ReadonlyArray<string> => {
  const dueAt = (job.runAt ?? job.availableAt ?? job.createdAt).epochMilliseconds
  return [
    ...differ("task", expected.task, job.task),
    ...differ("queue", expected.queue, job.queue),
    ...differ("state", expected.state, job.state),
    ...differ("priority", expected.priority, job.priority),
    ...differ("tenant", expected.tenant, job.meta.origin?.tenant ?? undefined),
    ...(expected.tags ?? []).flatMap((tag) =>
      job.meta.tags?.includes(tag) === true ? [] : [`tags: expected ${show(tag)} among ${show(job.meta.tags ?? [])}`]
    ),
    ...expected.dueAt === undefined ? [] : differ("due at", iso(expected.dueAt), iso(dueAt)),
    ...differ("payload", expected.payload, job.payload)
  ]
}

/** What is expected in an object must be in it; it may hold more. */
const differ = (place: string, expected: unknown, actual: unknown): ReadonlyArray<string> => {
  if (expected === undefined) return []
  if (!isRecord(expected) || !isRecord(actual)) {
    return same(expected, actual) ? [] : [`${place}: expected ${show(expected)}, is ${show(actual)}`]
  }
  return Object.entries(expected).flatMap(([name, value]) =>
    Object.hasOwn(actual, name)
      ? differ(`${place}.${name}`, value, actual[name])
      : [`${place}.${name}: expected ${show(value)}, is not there`]
  )
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  Predicate.isObject(value) && !Array.isArray(value)

const same = (a: unknown, b: unknown): boolean => {
  if (Object.is(a, b)) return true
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((value, at) => same(value, b[at]))
  if (!isRecord(a) || !isRecord(b)) return false
  const names = Object.keys(a)
  return names.length === Object.keys(b).length &&
    names.every((name) => Object.hasOwn(b, name) && same(a[name], b[name]))
}

const iso = (millis: number) => new Date(millis).toISOString()

const show = (value: unknown): string => value === undefined ? "nothing" : JSON.stringify(value)

/** In one line, for people. */
export const told = (job: Job): string =>
  `job ${job.id} of ${job.task} in queue ${job.queue}, ${job.state}, priority ${job.priority}, payload ${
    show(job.payload satisfies Schema.Json)
  }`

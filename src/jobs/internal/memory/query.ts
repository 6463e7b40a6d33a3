/**
 * Finds jobs by a filter: all of its parts hold.
 */
import * as DateTime from "effect/DateTime"
import * as Predicate from "effect/Predicate"
import type * as Schema from "effect/Schema"
import { isEnded, type Job } from "../../Job.ts"
import type { JobFilter, PayloadTerm } from "../../JobFilter.ts"
import type { JobPage, QueueState } from "../../JobStore.ts"
import * as queueSettings from "./queueSettings.ts"
import { createdAt, hasEnded, idOf, type Row } from "./row.ts"
import { show, stateOf } from "./show.ts"
import type { Queue, Tables } from "./tables.ts"

export const query = (tables: Tables, { before, filter, limit }: JobPage, now: number): ReadonlyArray<Job> => {
  const below = before === null ? null : BigInt(before)
  const matches = matcher(filter)
  const found: Array<Row> = []
  for (const row of tables.rows.values()) if ((below === null || row.id < below) && matches(row)) found.push(row)
  return found.sort((a, b) => a.id < b.id ? 1 : -1).slice(0, limit).map((row) => show(tables, row, now))
}

export const count = (tables: Tables, filter: JobFilter, atMost: number): number => {
  const matches = matcher(filter)
  let found = 0
  for (const row of tables.rows.values()) {
    if (found >= atMost) break
    if (matches(row)) found += 1
  }
  return found
}

const matcher = (filter: JobFilter): (row: Row) => boolean => {
  const ids = new Set<string>(filter.ids)
  const parts: Array<(row: Row) => boolean> = []
  const oneOf = (wanted: ReadonlyArray<string>, of: (row: Row) => string | null | undefined) => {
    if (wanted.length > 0) parts.push((row) => wanted.includes(of(row) ?? ""))
  }
  if (ids.size > 0) parts.push((row) => ids.has(idOf(row)))
  oneOf(filter.states, stateOf)
  oneOf(filter.queues, ({ queue }) => queue.name)
  oneOf(filter.tasks, ({ task }) => task)
  oneOf(filter.tenants, ({ extra, meta }) => extra?.tenant ?? meta.origin?.tenant)
  oneOf(filter.errors, ({ life }) => life?.failure?.tag)
  oneOf(filter.nodes, (row) => row.place === "running" || hasEnded(row) ? row.life?.node : null)
  oneOf(filter.traces, ({ meta }) => meta.traceparent?.split("-")[1])
  if (filter.tags.length > 0) parts.push(({ meta }) => filter.tags.every((tag) => meta.tags?.includes(tag) ?? false))
  for (const term of filter.payload) parts.push(({ payload }) => holds(term, payload))
  const { since, until } = filter
  if (since !== null) parts.push((row) => createdAt(row) >= DateTime.toEpochMillis(since))
  if (until !== null) parts.push((row) => createdAt(row) < DateTime.toEpochMillis(until))
  return (row) => parts.every((part) => part(row))
}

const holds = ({ operator, path, value }: PayloadTerm, payload: Schema.Json): boolean => {
  let found: unknown = payload
  for (const name of path) {
    found = Predicate.isObject(found) && Object.hasOwn(found, name) ? Reflect.get(found, name) : undefined
  }
  if (typeof found !== "string" && typeof found !== "number" && typeof found !== "boolean" && found !== null) {
    return false
  }
  const wanted = Number(value)
  const [left, right] = typeof found === "number" && value.trim() !== "" && !Number.isNaN(wanted)
    ? [found, wanted]
    : [String(found), value]
  if (operator === "=") return left === right
  if (operator === "<") return left < right
  if (operator === "<=") return left <= right
  return operator === ">" ? left > right : left >= right
}

export const queues = (tables: Tables, now: number): ReadonlyArray<QueueState> => {
  const states = new Map(
    Array.from(tables.queues.values()).flatMap((queue) =>
      queueSettings.isKnown(tables, queue, now) ? [[queue, stateOfQueue(queue)] as const] : []
    )
  )
  for (const row of tables.rows.values()) {
    const state = states.get(row.queue)
    const place = stateOf(row)
    if (state === undefined || isEnded(place)) continue
    state.counts[place] += 1
    if (row.place === "parked") state.parked += 1
    if (place === "available") state.oldestMs = Math.max(state.oldestMs, now - row.at)
  }
  return Array.from(states.values()).sort((a, b) => a.name < b.name ? -1 : 1)
}

/** Jobs of a queue that one more worker could run now. */
export const runnable = (tables: Tables, name: string, now: number) => {
  const found = { jobs: 0, oldestMs: 0 }
  if (tables.queues.get(name)?.pausedAt !== null) return found
  for (const row of tables.rows.values()) {
    if (row.queue.name !== name || !isRunnable(row, now) || isHeld(tables, row)) continue
    found.jobs += 1
    found.oldestMs = Math.max(found.oldestMs, now - row.at)
  }
  return found
}

const isRunnable = ({ at, place }: Row, now: number) =>
  place === "available" || (place === "scheduled" || place === "retryable" || place === "slotted") && at <= now

const isHeld = ({ holds }: Tables, row: Row) =>
  holds.has(`task:${row.task}`) || holds.has(`tenant:${row.meta?.origin?.tenant}`)

const stateOfQueue = ({ name, pausedAt, settings }: Queue) => ({
  ...settings,
  name,
  pausedAt: pausedAt === null ? null : DateTime.makeUnsafe(pausedAt),
  counts: { scheduled: 0, available: 0, running: 0, retryable: 0, pending: 0 },
  parked: 0,
  oldestMs: 0
})

/**
 * What workers do with jobs: claim, end an attempt, give back. Every write of an attempt is refused once it is not the
 * newest of its job.
 */
import type * as Schema from "effect/Schema"
import type { JobId } from "../../Job.ts"
import type { Claimed, End, Member } from "../../JobStore.ts"
import { cancelled } from "../storeFailure.ts"
import * as fair from "./fair.ts"
import * as graph from "./graph.ts"
import { toDue, toHeld } from "./lanes.ts"
import * as limits from "./limits.ts"
import { alive, asked, type Entry } from "./members.ts"
import { end } from "./moves.ts"
import { createdAt, idOf, lifeOf, record, type Row } from "./row.ts"
import type { Tables } from "./tables.ts"
import * as uniqueKeys from "./uniqueKeys.ts"

export const claim = (
  tables: Tables,
  member: Member,
  name: string,
  limit: number,
  now: number
): ReadonlyArray<Claimed> => {
  const entry = alive(tables, member.id, now)
  const queue = tables.queues.get(name)
  if (entry === undefined || queue === undefined || queue.pausedAt !== null) return []
  const rows: Array<Row> = []
  for (let row = queue.ready.peek(); row !== undefined && rows.length < limit; row = queue.ready.peek()) {
    rows.push(row)
    queue.ready.remove(row)
  }
  limits.starts(tables, rows, now)
  return rows.map((row) => start(tables, entry, row, now))
}

const start = (tables: Tables, entry: Entry, row: Row, now: number): Claimed => {
  const life = lifeOf(row)
  const availableAt = row.at
  life.availableAt = availableAt
  life.startedAt = now
  life.member = entry
  life.claimedBy = entry.id
  life.node = entry.node
  life.epoch += 1
  life.attempt += 1
  life.note = null
  row.place = "running"
  row.at = now
  entry.running.add(row)
  uniqueKeys.release(tables, row, "started")
  if (row.queue.settings.fair) fair.claimed(row.queue.fair, row.ord)
  return {
    id: idOf(row),
    queue: row.queue.name,
    task: row.task,
    payload: row.payload,
    meta: row.meta,
    attempt: life.attempt,
    maxAttempts: row.maxAttempts,
    lost: life.lost,
    epoch: life.epoch,
    createdAt: createdAt(row),
    availableAt,
    startedAt: now,
    awaited: graph.isAwaited(tables, row),
    mayBeHeld: tables.holds.size > 0,
    address: null
  }
}

/** The row, while the attempt is its newest and runs. */
const held = (tables: Tables, member: Member, { epoch, id }: Claimed): Row | undefined => {
  const row = tables.rows.get(BigInt(id))
  return row?.place === "running" && row.life?.member?.id === member.id && row.life.epoch === epoch ? row : undefined
}

/** From running to nowhere. */
const stop = (row: Row) => {
  const life = lifeOf(row)
  life.member?.running.delete(row)
  life.member = null
  return life
}

export const finish = (
  tables: Tables,
  member: Member,
  ends: ReadonlyArray<End>,
  now: number
): ReadonlySet<JobId> => {
  const fenced = new Set<JobId>()
  for (const ending of ends) {
    const row = held(tables, member, ending.job)
    if (row !== undefined) apply(tables, row, ending, now)
    else if (!isWritten(tables, member, ending.job)) fenced.add(ending.job.id)
  }
  return fenced
}

/** It ended this attempt before, and may not have heard so. */
const isWritten = (tables: Tables, member: Member, { epoch, id }: Claimed) => {
  const row = tables.rows.get(BigInt(id))
  return row?.life?.epoch === epoch && row.life.claimedBy === member.id && row.place !== "running" &&
    row.place !== "available"
}

const apply = (
  tables: Tables,
  row: Row,
  { delayMs, failure, logs, note, outcome, output, report }: End,
  now: number
) => {
  const by = asked(row)
  const life = stop(row)
  if (failure !== null || logs.length > 0) record(life, { failure, logs }, now)
  if (outcome === "completed" || outcome === "discarded" || outcome === "cancelled") {
    life.output = output ?? null
    life.report = report
    return end(tables, row, { place: outcome, failure }, now)
  }
  life.failure = failure ?? life.failure
  // somebody asked for its end while it ran: it does not run again
  if (by !== undefined) return end(tables, row, { place: "cancelled", failure: cancelled(by) }, now)
  if (outcome !== "retry") life.attempt -= 1
  limits.release(tables, row, now, "again")
  life.note = note
  if (outcome !== "hold") return toDue(tables, row, outcome === "retry" ? "retryable" : "scheduled", now + delayMs)
  if (note !== null && tables.holds.has(note)) return toHeld(tables, row, note, now)
  // released between the claim and now
  life.note = null
  return toDue(tables, row, "scheduled", now)
}

export const handBack = (tables: Tables, member: Member, jobs: ReadonlyArray<Claimed>, now: number) => {
  for (const job of jobs) {
    const row = held(tables, member, job)
    if (row === undefined) continue
    const by = asked(row)
    const life = stop(row)
    if (by !== undefined) {
      end(tables, row, { place: "cancelled", failure: cancelled(by) }, now)
      continue
    }
    life.attempt -= 1
    limits.pass(tables, [row], now)
  }
}

export const owns = (tables: Tables, member: Member, job: Claimed): boolean => held(tables, member, job) !== undefined

export const isolate = (tables: Tables, member: Member, job: Claimed | null, now: number): boolean => {
  const entry = alive(tables, member.id, now)
  if (job === null) {
    if (entry !== undefined) entry.alone = null
    return true
  }
  const row = held(tables, member, job)
  if (entry === undefined || row === undefined) return false
  entry.alone = { row, epoch: job.epoch }
  return true
}

export const progress = (
  tables: Tables,
  member: Member,
  said: ReadonlyArray<{ readonly job: Claimed; readonly value: Schema.Json }>
) => {
  for (const { job, value } of said) {
    const row = held(tables, member, job)
    if (row !== undefined) lifeOf(row).progress = value
  }
}

/**
 * A job as operators see it, and why it is where it is.
 */
import * as DateTime from "effect/DateTime"
import { Job, type JobState } from "../../Job.ts"
import { asked } from "./members.ts"
import { createdAt, hasEnded, idOf, type Row } from "./row.ts"
import type { Tables } from "./tables.ts"

export const stateOf = ({ place }: Row): JobState =>
  place === "parked" || place === "slotted" || place === "held" ? "available" : place

export const show = (tables: Tables, row: Row, now: number): Job => {
  const { life, place } = row
  const isWaiting = place === "scheduled" || place === "retryable"
  const isAvailable = stateOf(row) === "available"
  const isOver = hasEnded(row)
  return new Job({
    id: idOf(row),
    queue: row.queue.name,
    task: row.task,
    state: stateOf(row),
    reason: isOver ? null : reasonOf(tables, row, now),
    priority: row.meta.priority ?? row.priority,
    attempt: life?.attempt ?? 0,
    maxAttempts: row.maxAttempts,
    lost: life?.lost ?? 0,
    node: isOver || place === "running" ? life?.node ?? null : null,
    payload: row.payload,
    meta: row.meta,
    createdAt: DateTime.makeUnsafe(createdAt(row)),
    runAt: isWaiting ? DateTime.makeUnsafe(row.at) : null,
    availableAt: instant(isAvailable ? row.at : isOver || place === "running" ? life?.availableAt : null),
    startedAt: instant(isOver || place === "running" ? life?.startedAt : null),
    finishedAt: instant(life?.finishedAt),
    progress: life?.progress ?? null,
    output: life?.output ?? null,
    report: life?.report ?? null,
    failure: life?.failure ?? null
  })
}

const instant = (at: number | null | undefined) => at === null || at === undefined ? null : DateTime.makeUnsafe(at)

const reasonOf = (tables: Tables, row: Row, now: number): string => {
  const { extra, life, place, queue } = row
  if (place === "running") return running(tables, row, now)
  if (place === "held") return `waits until ${life?.note ?? "a pause"} is released`
  if (place === "pending") return `waits for ${extra?.waits ?? 0} job(s)`
  if (place === "parked") return `waits for limit ${extra?.limit?.name ?? ""}, key ${extra?.limit?.key ?? ""}`
  if (place === "slotted") return `its limit lets it start at ${DateTime.formatIso(DateTime.makeUnsafe(row.at))}`
  if (place === "available") return queue.pausedAt === null ? "waits for a free worker" : "queue is paused"
  const why = life?.note === null || life?.note === undefined ? "" : `: ${life.note}`
  return row.at > now
    ? `due at ${DateTime.formatIso(DateTime.makeUnsafe(row.at))}${why}`
    : `due, waits for promotion${why}`
}

const running = (tables: Tables, row: Row, now: number) => {
  const member = row.life?.member
  if (asked(row) !== undefined) return "cancel requested"
  if (member === null || member === undefined || !tables.members.has(member.id)) {
    return "worker is gone, waits for rescue"
  }
  return member.expiresAt <= now ? "worker missed its heartbeats, waits for rescue" : `runs on ${member.node}`
}

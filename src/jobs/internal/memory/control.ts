/**
 * What operators do with jobs: cancel, reschedule, retry, erase, take back by key, pause kinds.
 */
import type { Cancellation } from "../../../core/TaskRun.ts"
import type { Job, JobFailure, JobId } from "../../Job.ts"
import { cancelled, superseded } from "../storeFailure.ts"
import { toDue } from "./lanes.ts"
import * as limits from "./limits.ts"
import { post } from "./members.ts"
import { countLive, end, postpone, takeOut } from "./moves.ts"
import { hasEnded, lifeOf, type Row } from "./row.ts"
import { show } from "./show.ts"
import type { Tables } from "./tables.ts"
import * as uniqueKeys from "./uniqueKeys.ts"

const find = (tables: Tables, ids: ReadonlyArray<JobId>) =>
  ids.flatMap((id) => {
    const row = tables.rows.get(BigInt(id))
    return row === undefined ? [] : [{ id, row }]
  })

/** The ids of those to which something was done. */
const done = (tables: Tables, ids: ReadonlyArray<JobId>, act: (row: Row) => boolean): ReadonlySet<JobId> =>
  new Set(find(tables, ids).flatMap(({ id, row }) => act(row) ? [id] : []))

export type Cancelled = "cancelled" | "requested" | "already" | "ended" | "unknown"

export const cancel = (
  tables: Tables,
  ids: ReadonlyArray<JobId>,
  by: Cancellation,
  now: number
): ReadonlyMap<JobId, Cancelled> => {
  const answers = new Map<JobId, Cancelled>()
  const taken: Array<Row> = []
  for (const id of ids) {
    if (answers.has(id)) continue
    const row = tables.rows.get(BigInt(id))
    const answer = row === undefined ? "unknown" : cancelOne(row, by)
    answers.set(id, answer)
    if (answer === "cancelled" && row !== undefined) taken.push(row)
  }
  endAll(tables, taken, cancelled(by), now)
  return answers
}

const cancelOne = (row: Row, by: Cancellation): Cancelled =>
  hasEnded(row) ? "ended" : row.place === "running" ? post(row, by) : "cancelled"

/** Jobs that do not run end, all for the same reason, also where one waits for another of them. */
const endAll = (tables: Tables, rows: ReadonlyArray<Row>, failure: JobFailure, now: number) => {
  for (const row of rows) {
    takeOut(tables, row)
    row.place = "cancelled"
  }
  for (const row of rows) end(tables, row, { place: "cancelled", failure }, now)
}

export const reschedule = (tables: Tables, ids: ReadonlyArray<JobId>, at: number, now: number) =>
  done(tables, ids, (row) => {
    if (hasEnded(row) || row.place === "running") return false
    if (row.place === "available" && at <= now) return true
    if (row.life !== null && row.place !== "held") row.life.note = null
    // a strict one keeps its permit until its next attempt, not before its first
    const why = row.place === "available" && (row.life?.attempt ?? 0) === 0 ? "over" : "again"
    postpone(tables, row, at)
    limits.release(tables, row, now, why)
    return true
  })

export const retry = (tables: Tables, ids: ReadonlyArray<JobId>, now: number) =>
  done(tables, ids, (row) => {
    if (row.place === "scheduled" || row.place === "retryable") postpone(tables, row, Math.min(row.at, now))
    else if (row.place === "discarded" || row.place === "cancelled") revive(tables, row, now)
    else return false
    return true
  })

const revive = (tables: Tables, row: Row, now: number) => {
  const life = lifeOf(row)
  tables.ended.delete(row)
  countLive(row, 1)
  life.attempt = 0
  life.lost = 0
  life.epoch += 1
  life.finishedAt = null
  life.output = null
  life.report = null
  toDue(tables, row, "scheduled", now)
}

export const erase = (tables: Tables, ids: ReadonlyArray<JobId>) =>
  done(tables, ids, (row) => {
    if (!hasEnded(row)) return false
    const life = lifeOf(row)
    row.payload = null
    life.progress = null
    life.output = null
    life.report = null
    life.failure = null
    life.entries = []
    return true
  })

export const supersede = (
  tables: Tables,
  keys: ReadonlyArray<string>,
  now: number
): ReadonlyArray<{ readonly key: string; readonly job: Job }> => {
  const taken = keys.flatMap((key) => {
    const row = uniqueKeys.holderOf(tables, key, now)
    if (row === undefined || hasEnded(row) || row.place === "running") return []
    const job = show(tables, row, now)
    uniqueKeys.drop(tables, row)
    return [{ key, job, row }]
  })
  endAll(tables, taken.map(({ row }) => row), superseded, now)
  return taken.map(({ job, key }) => ({ key, job }))
}

/** Jobs that waited for it go on. */
export const releaseHold = (tables: Tables, hold: string, now: number) => {
  tables.holds.delete(hold)
  for (const row of tables.held) {
    if (row.life?.note !== hold) continue
    tables.held.delete(row)
    row.life.note = null
    toDue(tables, row, "scheduled", now)
  }
}

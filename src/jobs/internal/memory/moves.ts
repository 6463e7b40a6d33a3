/**
 * The moves of a job between its places: it comes to wait, it becomes available, it ends.
 */
import type { JobFailure } from "../../Job.ts"
import { parentNotCompleted } from "../storeFailure.ts"
import * as graph from "./graph.ts"
import { leave, toDue } from "./lanes.ts"
import * as limits from "./limits.ts"
import { lifeOf, type Row } from "./row.ts"
import type { Tables } from "./tables.ts"
import * as uniqueKeys from "./uniqueKeys.ts"

/** Takes a job from wherever it waits. */
export const takeOut = (tables: Tables, row: Row) => leave(tables, row, limits.parkedOf(tables, row))

/**
 * Another due time for a job that waits: it stays what it is, except that one that was available is scheduled. One that is
 * being enqueued is put where it belongs by that.
 */
export const postpone = (tables: Tables, row: Row, at: number) => {
  const { place } = row
  const isNowhere = place === "scheduled" && row.slot < 0
  if (isNowhere || place === "pending" || place === "held") {
    row.at = at
    return
  }
  takeOut(tables, row)
  toDue(tables, row, place === "retryable" ? "retryable" : "scheduled", at)
}

export const promote = (tables: Tables, limit: number, now: number): number => {
  const due: Array<Row> = []
  while (due.length < limit) {
    const row = tables.due.peek()
    if (row === undefined || row.at > now) break
    tables.due.remove(row)
    due.push(row)
  }
  limits.pass(tables, due, now)
  return due.length
}

export interface Outcome {
  readonly place: "completed" | "discarded" | "cancelled"
  readonly failure: JobFailure | null
}

/** Ends a job that is nowhere any more, and with it those that can no longer go on. */
export const end = (tables: Tables, ending: Row, outcome: Outcome, now: number) => {
  const over: Array<readonly [Row, Outcome]> = [[ending, outcome]]
  for (const [row, { failure, place }] of over) {
    const life = lifeOf(row)
    row.place = place
    life.finishedAt = now
    life.member = null
    life.failure = failure ?? life.failure
    life.note = null
    tables.ended.add(row)
    uniqueKeys.release(tables, row, "done")
    countLive(row, -1)
    limits.release(tables, row, now, "over")
    for (const { child, verdict } of graph.settle(tables, row)) {
      if (verdict === "goes on") toDue(tables, child, "scheduled", Math.max(child.at, now))
      else over.push([child, { place: "cancelled", failure: parentNotCompleted }])
    }
    if (place === "completed" && row.meta.forget === true) forget(tables, row)
  }
}

/** Nothing is left of it. */
export const forget = (tables: Tables, row: Row) => {
  tables.rows.delete(row.id)
  tables.ended.delete(row)
  graph.forget(tables, row)
}

/** Jobs of a queue that have not ended, by task. */
export const countLive = ({ queue: { live }, task }: Row, by: 1 | -1) => {
  const count = (live.get(task) ?? 0) + by
  if (count > 0) live.set(task, count)
  else live.delete(task)
}

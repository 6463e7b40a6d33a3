/**
 * The moves of a job between its places: it comes to wait, it becomes available, it ends.
 */
import type { JobFailure } from "../../Job.ts"
import * as graph from "./graph.ts"
import { leave, toDue } from "./lanes.ts"
import * as limits from "./limits.ts"
import { lifeOf, type Row } from "./row.ts"
import { failureOf, type Tables } from "./tables.ts"
import * as uniqueKeys from "./uniqueKeys.ts"

/** A job that is nowhere waits until it is due, or is available at once. */
export const settleIn = (tables: Tables, row: Row, now: number, place: "scheduled" | "retryable" = "scheduled") => {
  if (row.at > now) toDue(tables, row, place, row.at)
  else limits.pass(tables, row, now)
}

/** Takes a job from wherever it waits; its permit goes to the next one. */
export const takeOut = (tables: Tables, row: Row, now: number, why: "over" | "again" = "over") => {
  leave(tables, row, limits.parkedOf(tables, row))
  limits.release(tables, row, now, why)
}

export const promote = (tables: Tables, limit: number, now: number): number => {
  let count = 0
  while (count < limit) {
    const row = tables.due.peek()
    if (row === undefined || row.at > now) break
    tables.due.remove(row)
    limits.pass(tables, row, now)
    count += 1
  }
  return count
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
      if (verdict === "goes on") settleIn(tables, child, now)
      else over.push([child, { place: "cancelled", failure: orphaned(row) }])
    }
    if (place === "completed" && row.meta.forget === true) forget(tables, row)
  }
}

export const orphaned = (parent: Row | null) =>
  failureOf(
    "ParentNotCompleted",
    parent === null
      ? "a job that it waits for is no longer kept"
      : `job ${parent.id}, which it waits for, was ${parent.place}`
  )

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

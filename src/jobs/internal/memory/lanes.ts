/**
 * Where a job that does not run waits: for its instant, in its queue, for a limit, for a pause, or for other jobs.
 */
import type { Heap } from "./heap.ts"
import { lifeOf, type Row } from "./row.ts"
import type { Tables } from "./tables.ts"

/** Its worker may have it now. */
export const toReady = (row: Row, now: number) => {
  row.place = "available"
  row.at = now
  row.queue.ready.push(row)
  row.queue.wakes.tell()
}

export const toDue = (tables: Tables, row: Row, place: "scheduled" | "retryable" | "slotted", at: number) => {
  row.place = place
  row.at = at
  tables.due.push(row)
  if (tables.due.peek() === row) tables.scheduled.tell()
}

export const toHeld = (tables: Tables, row: Row, hold: string, now: number) => {
  row.place = "held"
  row.at = now
  lifeOf(row).note = hold
  tables.held.add(row)
}

const isDueLater = ({ place }: Row) => place === "scheduled" || place === "retryable" || place === "slotted"

/** Out of wherever it waits. */
export const leave = (tables: Tables, row: Row, parked: Heap<Row> | undefined) => {
  if (row.place === "available") row.queue.ready.remove(row)
  else if (isDueLater(row)) tables.due.remove(row)
  else if (row.place === "parked") parked?.remove(row)
  else if (row.place === "held") tables.held.delete(row)
}

/**
 * Where the last claim of each queue ended, so that the next does not walk over what has gone since: dead rows that an old
 * snapshot keeps from being removed.
 *
 * It is a hint. What came before it is found when a claim was not filled, when something better is known to have come,
 * and once a second at the latest.
 */

/** A place in the order of claims. */
export interface Cursor {
  readonly priority: number
  readonly ord: bigint
  readonly jobId: bigint
}

/** In front of everything. */
export const start: Cursor = { priority: -32768, ord: -1n, jobId: -1n }

const fullScanEvery = 1000

export interface Hints {
  /** Where the next claim of the queue begins. `now` is monotonic, in milliseconds. */
  readonly from: (queue: number, now: number) => Cursor
  /** The claim that began at `from` was filled and ended here, or was not. */
  readonly reached: (queue: number, from: Cursor, last: Cursor | null, now: number) => void
  /** Something new of this priority has become available. */
  readonly before: (queue: number, priority: number) => void
  /** Something that may stand before the hint has become available. */
  readonly reset: (queue: number) => void
}

export const make = (): Hints => {
  const places = new Map<number, { readonly cursor: Cursor; readonly scannedAt: number }>()
  return {
    from: (queue, now) => {
      const place = places.get(queue)
      return place === undefined || now - place.scannedAt >= fullScanEvery ? start : place.cursor
    },
    reached: (queue, from, last, now) => {
      const scannedAt = from === start ? now : places.get(queue)?.scannedAt
      if (last === null || scannedAt === undefined) places.delete(queue)
      else places.set(queue, { cursor: last, scannedAt })
    },
    before: (queue, priority) => {
      const cursor = places.get(queue)?.cursor
      // where the order is not that of the ids, the newest may be anywhere
      if (cursor !== undefined && (priority < cursor.priority || cursor.ord !== cursor.jobId)) places.delete(queue)
    },
    reset: (queue) => void places.delete(queue)
  }
}

/**
 * Replies on their way to the pool.
 *
 * A reply goes out before anything begins that may take long. Those of short calls wait for one another, for half a
 * millisecond at most, because a message costs more than such a call. Their slots say meanwhile that they have ended, so
 * that the pool mistakes none of them for the one that runs.
 */
import { finished, type Reply, stuckIn } from "./protocol.ts"

export interface Port {
  readonly post: (replies: ReadonlyArray<Reply>, transfer?: ReadonlyArray<ArrayBuffer>) => void
  /** Milliseconds. */
  readonly now: () => number
}

export interface Replies {
  readonly add: (reply: Reply, slot: number) => void
  /** With buffers that move. */
  readonly addMoving: (reply: Reply, buffers: ReadonlyArray<ArrayBuffer>) => void
  /** Sends what waits, if the first of it has waited for long enough. */
  readonly flushDue: () => void
  readonly flush: () => void
}

const waitMs = 0.5

export const make = (port: Port, slots: Int32Array | null): Replies => {
  let waiting: Array<Reply> = []
  let since = 0

  const post = (replies: ReadonlyArray<Reply>, buffers?: ReadonlyArray<ArrayBuffer>) => {
    try {
      port.post(replies, buffers)
    } catch (error) {
      // one of them cannot travel
      for (const [id, answer, value, runMs] of replies) {
        const stuck = stuckIn(value, "result") ??
          (replies.length === 1 ? { path: "result", value: String(error) } : null)
        if (stuck === null) port.post([[id, answer, value, runMs]])
        else port.post([[id, "stuck", stuck, runMs]])
      }
    }
  }

  const flush = () => {
    if (waiting.length === 0) return
    const replies = waiting
    waiting = []
    post(replies)
  }

  return {
    add: (reply, slot) => {
      if (waiting.length === 0) since = port.now()
      waiting.push(reply)
      if (slots !== null) Atomics.store(slots, slot, finished)
    },
    addMoving: (reply, buffers) => {
      flush()
      post([reply], buffers)
    },
    flushDue: () => {
      if (waiting.length > 0 && port.now() - since >= waitMs) flush()
    },
    flush
  }
}

import { assert, describe, it } from "vitest"
import * as Crew from "../../../src/core/internal/thread/crew.ts"
import type { Reply } from "../../../src/core/internal/thread/protocol.ts"
import type { Job, Outcome } from "../../../src/core/internal/thread/seat.ts"

const job = (settle: (outcome: Outcome) => void): Job => ({
  payload: null,
  transfer: [],
  limitMs: Number.POSITIVE_INFINITY,
  kind: { index: 0, code: "module#export", meanMs: Number.POSITIVE_INFINITY },
  settle,
  id: 0,
  slot: 0,
  expectedMs: 0,
  stopping: undefined
})

describe("a thread that does not end when it is killed", () => {
  it("S3.21 S3.32 keeps nobody waiting once the pool has let go of it", async () => {
    const slots = new Int32Array(new SharedArrayBuffer(64 * Int32Array.BYTES_PER_ELEMENT))
    const begun = Promise.withResolvers<void>()
    const crew = Crew.make({
      capacity: 1,
      idleMs: 1000,
      graceMs: 1000,
      now: () => 0,
      start: ({ onReplies }) => {
        const ready: ReadonlyArray<Reply> = [[0, "ready", null, 0]]
        queueMicrotask(() => onReplies(ready))
        return {
          id: 1,
          slots,
          window: 64,
          post: (order) => {
            if (typeof order === "number") return
            // begins the call and is never heard of again
            Atomics.store(slots, Number(order[1]), -Number(order[0]))
            begun.resolve()
          },
          kill: () => {}
        }
      },
      due: () => {},
      crashed: () => assert.fail("it has not ended")
    })
    const outcomes: Array<string> = []
    crew.submit(job(({ kind }) => void outcomes.push(kind)), 0)
    await begun.promise
    crew.close(() => assert.fail("it does not end"))
    assert.deepStrictEqual(outcomes, [])
    crew.leave()
    crew.leave()
    assert.deepStrictEqual(outcomes, ["left"])
  })
})

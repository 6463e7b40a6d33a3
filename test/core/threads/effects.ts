/** What the tests run on threads as Effects. */
import * as Effect from "effect/Effect"
import type { ThreadTask } from "ostinato"
import * as SharedState from "ostinato/core/SharedState"
import type * as tasks from "./tasks.ts"

const begin = (gate: SharedArrayBuffer) => {
  const cells = new Int32Array(gate)
  Atomics.add(cells, 0, 1)
  Atomics.notify(cells, 0)
  return cells
}

/** Its finalizer opens the gate. */
export const effectful: ThreadTask.Code<typeof tasks.Listen> = ({ gate }) => {
  const cells = begin(gate)
  return Effect.onInterrupt(Effect.never, () =>
    Effect.sync(() => {
      Atomics.store(cells, 1, 1)
      Atomics.notify(cells, 1)
    }))
}

export const effect: ThreadTask.Code<typeof tasks.Doubled> = ({ n }) =>
  n < 0 ? Effect.fail({ _tag: "Refused", why: `${n}` }) : Effect.as(Effect.sleep(1), n * 2)

/** Meets the other thread, then increments by many fibers at once: by the state, and naively. */
export const increment: ThreadTask.Code<typeof tasks.Increment> = ({ gate, naive, state, times }) => {
  const cells = begin(gate)
  while (Atomics.load(cells, 0) < 2);
  const plain = new Int32Array(naive)
  const safely = SharedState.updateEffect(state, "count", (count) => Effect.as(Effect.yieldNow, count + 1))
  const naively = Effect.suspend(() => {
    const read = Atomics.load(plain, 0)
    return Effect.andThen(Effect.yieldNow, Effect.sync(() => Atomics.store(plain, 0, read + 1)))
  })
  return Effect.forEach(
    Array.from({ length: times }),
    () => Effect.andThen(safely, naively),
    { concurrency: "unbounded", discard: true }
  )
}

/**
 * Lets parked jobs in as limits allow, and settles what a crash left between jobs: every second where limits or graphs are
 * in use, and where none are, less and less often, down to once in 30 seconds.
 */
import * as Effect from "effect/Effect"
import type { JobStore } from "../JobStore.ts"
import { jittered, repeated } from "./loop.ts"

/** Milliseconds between two sweeps, and between two looks whether there is anything to sweep. */
const busy = 1000
const idle = 30_000

export const sweeper = (store: JobStore["Service"]): Effect.Effect<void> =>
  Effect.suspend(() => {
    let pause = busy
    return repeated(
      Effect.gen(function*() {
        yield* store.sweep
        const limits = yield* store.limits.list
        pause = limits.length > 0 ? busy : Math.min(idle, pause * 2)
        return yield* jittered(pause)
      }),
      Effect.sleep
    )
  })

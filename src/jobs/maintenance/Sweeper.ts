/**
 * Lets parked jobs in as limits allow, and settles what a crash left between jobs: every second where there are limits,
 * and where there are none, less and less often, down to once in 30 seconds. The end of a job lets the next one in and
 * settles its own graph without it.
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
        // jobs in order are let in by the end of the one before
        pause = limits.some(({ name }) => name !== "order") ? busy : Math.min(idle, pause * 2)
        return yield* jittered(pause)
      }),
      Effect.sleep
    )
  })

/**
 * Makes room for the coming days and removes what retention no longer keeps: at the start, and every hour. Two nodes that
 * do it at once do each other no harm.
 */
import * as Effect from "effect/Effect"
import type { JobRetention, JobStore } from "../JobStore.ts"
import { jittered, repeated } from "./loop.ts"

/** Milliseconds between two prunings. */
const every = 3_600_000

export const pruner = (store: JobStore["Service"], retention: JobRetention): Effect.Effect<void> =>
  repeated(
    Effect.gen(function*() {
      const gone = yield* store.prune(retention)
      if (gone > 0) yield* Effect.logInfo(`${gone} ended jobs were removed: their retention is over`)
      return yield* jittered(every)
    }),
    Effect.sleep
  )

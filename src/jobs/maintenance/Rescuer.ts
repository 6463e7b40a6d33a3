/**
 * Takes back the jobs of workers that died, every 2.5 seconds on every node. A job that went down with its worker too
 * often is discarded by the store, and said so.
 */
import * as Effect from "effect/Effect"
import type * as JobMetrics from "../JobMetrics.ts"
import type { JobStore } from "../JobStore.ts"
import { jittered, repeated } from "./loop.ts"

/** Milliseconds between two looks. */
const every = 2500

export const rescuer = (store: JobStore["Service"], metrics: ReturnType<typeof JobMetrics.make>): Effect.Effect<void> =>
  repeated(
    Effect.gen(function*() {
      const rescued = yield* store.rescue
      for (const { queue } of rescued) metrics.rescued(queue)
      const back = rescued.filter(({ fate }) => fate === "available").length
      if (back > 0) yield* Effect.logWarning(`jobs taken back from workers that died: ${back}; they run again`)
      for (const { fate, id, queue } of rescued) {
        if (fate !== "discarded") continue
        yield* Effect.annotateLogs(Effect.logError("job went down with its worker too often: it is discarded"), {
          job_id: id,
          queue
        })
      }
      return yield* jittered(every)
    }),
    Effect.sleep
  )

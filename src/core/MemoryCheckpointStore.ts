/**
 * Checkpoints in memory, for tests and for programs without a database. Nothing survives the process.
 *
 * Keeps the newest `capacity` keys; a key that is saved anew counts as new.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import { CheckpointStore } from "./CheckpointStore.ts"

/**
 * Checkpoints in the memory of this process. The keys saved longest ago go where there are too many.
 *
 * @category layers
 */
export const layer = (options?: {
  /** Defaults to `10_000`. */
  readonly capacity?: number | undefined
}): Layer.Layer<CheckpointStore> =>
  Layer.sync(CheckpointStore, () => {
    const capacity = options?.capacity ?? 10_000
    const values = new Map<string, Schema.Json>()
    return CheckpointStore.of({
      load: (key) => Effect.sync(() => Option.fromUndefinedOr(values.get(key))),
      save: (key, value) =>
        Effect.sync(() => {
          values.delete(key)
          values.set(key, value)
          const [oldest] = values.keys()
          if (values.size > capacity && oldest !== undefined) values.delete(oldest)
        }),
      clear: (key) => Effect.sync(() => void values.delete(key))
    })
  })

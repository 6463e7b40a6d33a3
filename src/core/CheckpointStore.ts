/**
 * How far long work has come: small JSON values by key, which the work reads when it begins again.
 *
 * A driver promises: what `save` acknowledged, `load` gives until it is saved anew, cleared or pruned, also after a crash
 * of any process where the driver keeps it in a database. Two that write the same key at once: the later one counts.
 * Drivers: `MemoryCheckpointStore` here, `PostgresCheckpointStore` in the room store.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Schema from "effect/Schema"

/**
 * A checkpoint could not be read or written.
 *
 * @category errors
 */
export class CheckpointUnavailable extends Schema.TaggedError<CheckpointUnavailable>()("CheckpointUnavailable", {
  /** What was being done, e.g. `save`. */
  operation: Schema.String,
  /** Name of the checkpoint. */
  key: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `checkpoint ${this.key}: ${this.operation} failed: ${this.detail}`
  }
}

/**
 * Where checkpoints are kept, by key. A value that was never saved, or was cleared or pruned, is none.
 *
 * @category services
 */
export class CheckpointStore extends Context.Service<CheckpointStore, {
  readonly load: (key: string) => Effect.Effect<Option.Option<Schema.Json>, CheckpointUnavailable>
  readonly save: (key: string, value: Schema.Json) => Effect.Effect<void, CheckpointUnavailable>
  readonly clear: (key: string) => Effect.Effect<void, CheckpointUnavailable>
}>()("ostinato/core/CheckpointStore") {}

/**
 * One checkpoint of a store.
 *
 * @category models
 */
export interface Checkpoint {
  readonly key: string
  readonly load: Effect.Effect<Option.Option<Schema.Json>, CheckpointUnavailable>
  readonly save: (value: Schema.Json) => Effect.Effect<void, CheckpointUnavailable>
  readonly clear: Effect.Effect<void, CheckpointUnavailable>
}

/**
 * The checkpoint with this key. Name it after the work and what it works on, e.g. `import.users/2026-11-02`.
 *
 * @category constructors
 */
export const at = (key: string): Effect.Effect<Checkpoint, never, CheckpointStore> =>
  Effect.map(CheckpointStore, (store) => ({
    key,
    load: store.load(key),
    save: (value) => store.save(key, value),
    clear: store.clear(key)
  }))

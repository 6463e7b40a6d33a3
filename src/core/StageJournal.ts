/**
 * What the stages of a run gave, kept so that a run which begins again does not repeat them.
 *
 * A pipeline asks it before a stage starts and tells it when one has completed, so a run resumed with the same id after a
 * crash repeats at most what was under way. None unless a Layer or a worker provides one. A driver promises: what
 * `record` acknowledged, `recall` gives until it is pruned; a second record of a stage changes nothing.
 */
import type * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import { CheckpointStore, type CheckpointUnavailable } from "./CheckpointStore.ts"
import type { RunId } from "./TaskRun.ts"

/**
 * A stage of a run.
 *
 * @category models
 */
export interface StageKey {
  readonly runId: RunId
  /** Pipeline and stage, and for a pipeline within others these before it, e.g. `insights.sync/accounts`. */
  readonly path: string
}

/**
 * How a stage has ended that ran apart from its pipeline.
 *
 * @category models
 */
export type StageEnd =
  & (
    | { readonly status: "completed"; readonly value: unknown }
    | { readonly status: "failed"; readonly cause: Cause.Cause<unknown> }
    | {
      readonly status: "skipped"
      /** A stage before it, its own condition, or the end of the pipeline. */
      readonly by: "dependency" | "condition" | "stop"
      readonly reason: string
    }
  )
  & {
    /** Milliseconds from the start of its pipeline; null where it did not start. */
    readonly startMs: number | null
    /** Milliseconds. */
    readonly runMs: number
  }

/**
 * Keeps what completed stages gave, by run and stage.
 *
 * @category models
 */
export interface Journal {
  /** What the stage gave, in its JSON form, if it has completed. */
  readonly recall: (stage: StageKey) => Effect.Effect<Option.Option<Schema.Json>, CheckpointUnavailable>
  readonly record: (stage: StageKey, output: Schema.Json) => Effect.Effect<void, CheckpointUnavailable>
  /** How a stage has ended that runs apart from its pipeline; it is then not run again, whatever its end was. */
  readonly ended?: ((stage: StageKey) => StageEnd | undefined) | undefined
}

/**
 * The journal that pipelines ask; null, the default, is none.
 *
 * @category services
 */
export class StageJournal extends Context.Reference<Journal | null>("ostinato/core/StageJournal", {
  defaultValue: () => null
}) {}

/**
 * Keeps what stages gave as checkpoints of a store.
 *
 * @category constructors
 */
export const make = (store: CheckpointStore["Service"]): Journal => ({
  recall: (stage) => store.load(keyOf(stage)),
  record: (stage, output) => store.save(keyOf(stage), output)
})

/**
 * Keeps what stages gave as checkpoints.
 *
 * @category layers
 */
export const layer: Layer.Layer<never, never, CheckpointStore> = Layer.effect(
  StageJournal,
  Effect.map(CheckpointStore, make)
)

const keyOf = ({ path, runId }: StageKey) => `run/${runId}/${path}`

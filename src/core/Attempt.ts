/**
 * The attempt that a handler is executing: who it is, and what it can tell about itself while it runs.
 *
 * An attempt is one execution of a task, 1-based. It has a Scope of its own, and the finalizers of that Scope end before
 * the outcome of the run is recorded.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { TaskSkipped } from "./TaskError.ts"
import type { RunId, Trigger } from "./TaskRun.ts"

/**
 * How the items of a run fared, for work on many things of which some may fail: repositories, files, accounts.
 *
 * @category models
 */
export const Items = Schema.Struct({
  succeeded: Schema.Int,
  failed: Schema.Int,
  /** One sentence for people. */
  summary: Schema.String
})

/**
 * @category models
 */
export type Items = typeof Items.Type

/**
 * The attempt that is being executed; there in the handler of every task.
 *
 * @category services
 */
export class Attempt extends Context.Service<Attempt, {
  readonly runId: RunId
  /** What started the run, e.g. the tick of a schedule. */
  readonly trigger: Trigger
  /** Name of the task, in a composed task that of the member. */
  readonly task: string
  /** 1-based. */
  readonly number: number
  /** Receives what `report` says. */
  readonly onItems: (items: Items) => Effect.Effect<void>
}>()("ostinato/core/Attempt") {}

/**
 * Says how the items of this run fared. A run that ends well with failed items is recorded as `partial` instead of
 * `completed`. A second report of the same task replaces the first; reports of the members of a composed task add up.
 *
 * @category combinators
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Attempt, Task } from "ostinato"
 *
 * const Refresh = Task.make("docs.refresh")
 * const RefreshLive = Refresh.toLayer(() =>
 *   Attempt.report({ succeeded: 41, failed: 1, summary: "41 of 42 repositories" })
 * )
 * ```
 */
export const report = (items: Items): Effect.Effect<void, never, Attempt> =>
  Effect.flatMap(Attempt, (attempt) => attempt.onItems(items))

/**
 * Ends the attempt here: there is nothing to do, or it is not our turn. The run is recorded as `skipped`, is not retried,
 * and whoever waits for it gets `TaskSkipped`.
 *
 * @category combinators
 */
export const skip = (reason: string): Effect.Effect<never, never, Attempt> =>
  Effect.flatMap(Attempt, ({ task }) => Effect.die(new TaskSkipped({ task, reason })))

/**
 * Code around every attempt of every task: timing, tracing, error reports, tenancy, whatever belongs to all of them.
 *
 * Interceptors run in the order in which they were declared, the first outermost, for every executor and every member of
 * a composed task. They see success, failure, defect and interruption, and the attempt's own Scope has closed by then.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { RunId } from "./TaskRun.ts"

/**
 * What is being attempted.
 *
 * @category models
 */
export interface Attempted {
  readonly runId: RunId
  readonly task: string
  /** 1-based. */
  readonly attempt: number
  readonly payload: unknown
}

/**
 * Wraps an attempt. It must run it at most once and keep its outcome unless it means to change it.
 *
 * @category models
 */
export type Interceptor = <A, E, R>(attempt: Effect.Effect<A, E, R>, attempted: Attempted) => Effect.Effect<A, E, R>

/**
 * The interceptors in force: none unless a Layer adds some.
 *
 * @category services
 */
export class Interceptors
  extends Context.Reference<ReadonlyArray<Interceptor>>("ostinato/core/Interceptor/Interceptors", {
    defaultValue: () => []
  })
{}

/**
 * Adds interceptors inside those that are there already.
 *
 * @category layers
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Interceptor } from "ostinato"
 *
 * const Timed = Interceptor.layer((attempt, { task }) => Effect.withSpan(attempt, `attempt ${task}`))
 * ```
 */
export const layer = (...interceptors: ReadonlyArray<Interceptor>): Layer.Layer<never> =>
  Layer.effect(Interceptors, Effect.map(Interceptors, (outer) => [...outer, ...interceptors]))

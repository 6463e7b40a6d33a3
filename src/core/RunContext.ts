/**
 * For whom a run is made: carried from whoever asked for it into its attempts, their logs, the record of the run and
 * everything that these start in turn.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/**
 * In whose name something is done; null where nobody said.
 *
 * @category models
 */
export const Origin = Schema.Struct({
  /** The customer or part of an organisation that the work belongs to. */
  tenant: Schema.NullOr(Schema.String),
  /** The person or program that asked for it. */
  actor: Schema.NullOr(Schema.String)
})

/**
 * @category models
 */
export type Origin = typeof Origin.Type

/**
 * Nobody in particular unless somebody says so.
 *
 * @category services
 */
export class RunContext extends Context.Reference<Origin>("ostinato/core/RunContext", {
  defaultValue: () => ({ tenant: null, actor: null })
}) {}

/**
 * Runs a program in the name of somebody: what it starts belongs to them. What is left out stays as it was.
 *
 * @category combinators
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { RunContext } from "ostinato"
 *
 * const actor = Effect.map(RunContext.RunContext, (origin) => origin.actor)
 *
 * await Effect.runPromise(RunContext.within({ tenant: "acme", actor: "ada" })(actor)) // => "ada"
 * ```
 */
export const within = (origin: Partial<Origin>) => <A, E, R>(program: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.updateService(program, RunContext, (outer) => ({
    // code without types may name a field and leave its value out
    tenant: origin.tenant === undefined ? outer.tenant : origin.tenant,
    actor: origin.actor === undefined ? outer.actor : origin.actor
  }))

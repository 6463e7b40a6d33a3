/**
 * Where in a composed task this fiber works: the names of the members and stages on the way down to it, outermost first.
 * Empty in a task that is not part of another.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

export const MemberPath = Context.Reference<ReadonlyArray<string>>("ostinato/core/internal/path/MemberPath", {
  defaultValue: () => []
})

/** Runs work as a part of what runs here. */
export const below = (...names: ReadonlyArray<string>) => <A, E, R>(work: Effect.Effect<A, E, R>) =>
  Effect.updateService(work, MemberPath, (path) => [...path, ...names])

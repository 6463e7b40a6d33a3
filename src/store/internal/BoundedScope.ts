/**
 * Connections that end with their scope in bounded time: a server that hangs would hold up their end, and with it that
 * of the process, or of the attempt to connect anew.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import * as Drain from "../../core/Drain.ts"

/** Acquires in a scope of its own, which may take this long to close when the outer one does. */
export const provide = (patience: Duration.Input) =>
<A, E, R>(
  acquire: Effect.Effect<A, E, R>
): Effect.Effect<A, E, Exclude<R, Scope.Scope> | Scope.Scope> =>
  Effect.gen(function*() {
    const inner = yield* Scope.make()
    yield* Effect.addFinalizer((exit) =>
      Effect.flatMap(
        Drain.atMost(patience)(Scope.close(inner, exit)),
        (ended) =>
          ended
            ? Effect.void
            : Effect.logWarning("the database did not answer: its connections were left to the system")
      )
    )
    return yield* Scope.provide(acquire, inner)
  })

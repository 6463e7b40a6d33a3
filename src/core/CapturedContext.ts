/**
 * The services that are there when something long-lived is built, without what belongs to whoever builds it.
 *
 * A handler or a scheduler keeps its services, but each run has a scope, a span and log annotations of its own: those of
 * the program that built the Layer would otherwise take their place.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as References from "effect/References"
import * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"

/**
 * Captures what is there now.
 *
 * @category constructors
 */
export const make = <R>(): Effect.Effect<Context.Context<R>, never, R> =>
  Effect.contextWith((context: Context.Context<R>) =>
    Effect.succeed(
      // omit is typed by what it takes away, and these may or may not be there; R never names them
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as said
      Context.omit(
        Scope.Scope,
        Tracer.ParentSpan,
        References.CurrentLogAnnotations,
        References.CurrentLogSpans,
        References.TracerEnabled
      )(context as Context.Context<R | Scope.Scope | Tracer.ParentSpan>) as Context.Context<R>
    )
  )

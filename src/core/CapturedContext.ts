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
import { Journal } from "./internal/journal.ts"
import { MemberPath } from "./internal/path.ts"
import { CurrentTrigger } from "./internal/trigger.ts"
import { RunContext } from "./RunContext.ts"
import { RunGate } from "./RunGate.ts"

/**
 * Captures what is there now.
 *
 * @category constructors
 */
export const make = <R>(): Effect.Effect<Context.Context<R>, never, R> =>
  Effect.contextWith((context: Context.Context<R>) => {
    // omit is typed by what it takes away; these may or may not be there, and R never names them
    // oxlint-disable typescript/no-unsafe-type-assertion -- as said
    const all = context as Context.Context<R | Scope.Scope | Tracer.ParentSpan>
    const own = Context.omit(
      Journal,
      MemberPath,
      CurrentTrigger,
      RunContext,
      RunGate,
      Scope.Scope,
      Tracer.ParentSpan,
      References.CurrentLogAnnotations,
      References.CurrentLogSpans,
      References.TracerEnabled
    )(all) as Context.Context<R>
    // oxlint-enable typescript/no-unsafe-type-assertion
    return Effect.succeed(own)
  })

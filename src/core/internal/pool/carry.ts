/**
 * What comes along with work from whoever submits it: span, log annotations, origin, and interceptors and handlers of
 * tasks, which hold services of their own. Everything else is the pool's, above all not the submitter's transaction.
 */
import * as Context from "effect/Context"
import * as References from "effect/References"
import * as Tracer from "effect/Tracer"
import { Interceptors } from "../../Interceptor.ts"
import { RunContext } from "../../RunContext.ts"

/** Adds to the context of a pool what comes along. Whoever submits often from one place pays once. */
export const carrier = (base: Context.Context<never>) => {
  let last: Context.Context<never> | undefined
  let carried = base
  return (from: Context.Context<never>): Context.Context<never> => {
    if (from !== last) {
      carried = carry(from, base)
      last = from
    }
    return carried
  }
}

const carry = (from: Context.Context<never>, base: Context.Context<never>): Context.Context<never> => {
  const services = new Map<string, unknown>()
  for (const [key, service] of from.mapUnsafe) {
    if (comesAlong.has(key) || key.startsWith(handlers)) services.set(key, service)
  }
  return services.size === 0 ? base : Context.merge(base, Context.makeUnsafe(services))
}

const comesAlong: ReadonlySet<string> = new Set([
  Tracer.ParentSpan.key,
  References.CurrentLogAnnotations.key,
  RunContext.key,
  Interceptors.key
])

// the key that `Task.make` gives to handlers
const handlers = "ostinato/core/Task/Handler/"

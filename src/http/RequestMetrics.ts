/**
 * What a registry of requests shows: its state, read when metrics are.
 *
 * The names are part of the interface: dashboards and alerts rely on them.
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type * as Scope from "effect/Scope"

const gauges = {
  active: Metric.gauge("ostinato_http_active", { description: "Requests that are being answered" }),
  deferred: Metric.gauge("ostinato_http_async_active", {
    description: "Requests whose handlers have returned and whose answers come later"
  })
}

/**
 * Shows the state of a registry until the scope closes, read when somebody looks: requests cost nothing by it.
 *
 * @category metrics
 */
export const show = (
  read: () => { readonly active: number; readonly deferred: number }
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.contextWith((context: Context.Context<Scope.Scope>) => {
    const register = (key: "active" | "deferred") =>
      Metric.registerUnsafe(gauges[key], context, {
        get: () => ({ value: read()[key] }),
        update: () => {},
        modify: () => {}
      })
    const registrations = [register("active"), register("deferred")]
    return Effect.addFinalizer(() => Effect.sync(() => registrations.forEach(({ remove }) => remove())))
  })

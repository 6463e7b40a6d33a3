/**
 * What pools show: their state, read when metrics are, and what went wrong in them, by task.
 *
 * The names are part of the interface: dashboards and alerts rely on them.
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type * as Scope from "effect/Scope"

const state = {
  capacity: Metric.gauge("ostinato_pool_capacity", { description: "Slots of a pool" }),
  running: Metric.gauge("ostinato_pool_running", { description: "Slots of a pool in use" }),
  free: Metric.gauge("ostinato_pool_free", { description: "Slots of a pool not in use" }),
  waiting: Metric.gauge("ostinato_pool_waiting", { description: "Submissions that wait for a slot" })
}

const rejected = Metric.counter("ostinato_pool_rejected_total", {
  description: "Submissions that a full pool refused or dropped",
  incremental: true
})

/**
 * Submissions that failed, by task and kind: `failure`, also for a timeout, or `defect`.
 *
 * @category metrics
 */
export const failed = Metric.counter("ostinato_pool_failed_total", {
  description: "Submissions that ended with a failure or a defect",
  incremental: true
})

/**
 * Submissions that ran longer than their soft limit, by task.
 *
 * @category metrics
 */
export const slow = Metric.counter("ostinato_pool_slow_total", {
  description: "Submissions that ran longer than their soft limit",
  incremental: true
})

/**
 * Submissions that did not stop when they were asked to, by task.
 *
 * @category metrics
 */
export const abandoned = Metric.counter("ostinato_pool_abandoned_total", {
  description: "Submissions that did not stop within their grace and were let go",
  incremental: true
})

/**
 * Adds one to a counter.
 *
 * @category metrics
 */
export const count = (
  context: Context.Context<never>,
  counter: Metric.Counter<number>,
  labels: Readonly<Record<string, string>>
): void => Metric.withAttributes(counter, labels).updateUnsafe(1, context)

/**
 * Shows the state of a pool until the scope closes, read when somebody looks: work costs nothing by it.
 *
 * @category metrics
 */
export const show = (
  pool: string,
  policy: string,
  read: () => Readonly<Record<keyof typeof state | "rejected" | "dropped", number>>
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.contextWith((context: Context.Context<Scope.Scope>) => {
    const register = <State>(
      metric: Metric.Metric<number, State>,
      labels: Readonly<Record<string, string>>,
      get: () => State
    ) =>
      Metric.registerUnsafe(Metric.withAttributes(metric, labels), context, { get, update: () => {}, modify: () => {} })
    const registrations = [
      ...(["capacity", "running", "free", "waiting"] as const).map((key) =>
        register(state[key], { pool }, () => ({ value: read()[key] }))
      ),
      register(rejected, { pool, policy }, () => {
        const { dropped, rejected } = read()
        return { count: dropped + rejected, incremental: true }
      })
    ]
    return Effect.addFinalizer(() => Effect.sync(() => registrations.forEach(({ remove }) => remove())))
  })

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
 * Threads and child processes of a pool that ended unasked.
 *
 * @category metrics
 */
export const crashes = Metric.counter("ostinato_thread_crashes_total", {
  description: "Threads and child processes of a pool that ended unasked",
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

type State = Readonly<Record<keyof typeof state, number>>

/**
 * Shows the state of a pool until the scope closes, read when somebody looks: work costs nothing by it.
 *
 * @category metrics
 */
export const showState = (pool: string, read: () => State): Effect.Effect<void, never, Scope.Scope> =>
  shown((context) =>
    (["capacity", "running", "free", "waiting"] as const).map((key) =>
      register(context, state[key], { pool }, () => ({ value: read()[key] }))
    )
  )

/**
 * Shows the state of a pool, and what its policy refused or dropped, until the scope closes.
 *
 * @category metrics
 */
export const show = (
  pool: string,
  policy: string,
  read: () => State & Readonly<Record<"rejected" | "dropped", number>>
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.andThen(
    showState(pool, read),
    shown((context) => [
      register(context, rejected, { pool, policy }, () => {
        const { dropped, rejected } = read()
        return { count: dropped + rejected, incremental: true }
      })
    ])
  )

const shown = (registered: (context: Context.Context<never>) => ReadonlyArray<Metric.Registration>) =>
  Effect.contextWith((context: Context.Context<Scope.Scope>) => {
    const registrations = registered(context)
    return Effect.addFinalizer(() => Effect.sync(() => registrations.forEach(({ remove }) => remove())))
  })

const register = <S>(
  context: Context.Context<never>,
  metric: Metric.Metric<number, S>,
  labels: Readonly<Record<string, string>>,
  get: () => S
) => Metric.registerUnsafe(Metric.withAttributes(metric, labels), context, { get, update: () => {}, modify: () => {} })

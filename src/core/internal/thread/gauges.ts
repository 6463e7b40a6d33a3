/** What can be seen of a pool from outside, under the names that all pools share. */
import type * as Context from "effect/Context"
import * as Metric from "effect/Metric"
import type { Status } from "./crew.ts"

const gauge = (measure: string, description: string) => Metric.gauge(`ostinato_pool_${measure}`, { description })

const capacity = gauge("capacity", "The most that a pool runs at a time")
const running = gauge("running", "What a pool runs now")
const free = gauge("free", "How much more a pool could run now")
const waiting = gauge("waiting", "What waits for its turn in a pool")

const crashes = Metric.counter("ostinato_thread_crashes_total", {
  description: "Threads and child processes of a pool that ended unasked",
  incremental: true
})

export interface Gauges {
  readonly show: (status: Status) => void
  readonly crashed: () => void
}

export const make = (pool: string, size: number, context: Context.Context<never>): Gauges => {
  const of = <I, O>(metric: Metric.Metric<I, O>) => Metric.withAttributes(metric, { pool })
  const shown = { capacity: of(capacity), running: of(running), free: of(free), waiting: of(waiting) }
  const lost = of(crashes)
  return {
    show: (status) => {
      shown.capacity.updateUnsafe(size, context)
      shown.running.updateUnsafe(status.running, context)
      shown.free.updateUnsafe(size - status.running, context)
      shown.waiting.updateUnsafe(status.waiting, context)
    },
    crashed: () => lost.updateUnsafe(1, context)
  }
}

/**
 * What is set for a whole queue: its pause, and the order of its jobs.
 */
import type { QueueSettings } from "../../JobStore.ts"
import { queueOf, type Tables } from "./tables.ts"

/** Answers whether there is such a queue. */
export const pause = (tables: Tables, name: string, paused: boolean, now: number): boolean => {
  const queue = tables.queues.get(name)
  if (queue === undefined) return false
  queue.pausedAt = paused ? queue.pausedAt ?? now : null
  if (!paused) queue.wakes.tell()
  return true
}

/** Answers what stands in the way. */
export const configure = (tables: Tables, name: string, settings: Partial<QueueSettings>): string | null => {
  const queue = queueOf(tables, name)
  const next = { ...queue.settings, ...settings }
  const changesOrder = next.fair !== queue.settings.fair || next.ageingMs !== queue.settings.ageingMs
  if (changesOrder && queue.live.size > 0) {
    return `queue ${name} holds jobs, and their order cannot change: drain it first`
  }
  if (next.fair && next.ageingMs !== null) {
    return `queue ${name} can order by tenant or by age, not by both`
  }
  queue.settings = next
  return null
}

/**
 * What is set for a whole queue: its pause, and the order of its jobs.
 */
import type { QueueSettings } from "../../JobStore.ts"
import * as obstacle from "../obstacle.ts"
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
  const { ageingMs, fair, limit } = { ...queue.settings, ...settings }
  if (ageingMs !== null && !(ageingMs >= 1)) return obstacle.noAge(ageingMs)
  if (fair && ageingMs !== null) return obstacle.ordersTwice
  const changesOrder = fair !== queue.settings.fair || ageingMs !== queue.settings.ageingMs
  if (changesOrder && queue.live.size > 0) return obstacle.orderStands
  if (limit !== null && !tables.limits.has(limit)) return obstacle.noLimit(limit)
  queue.settings = { ageingMs, fair, limit }
  return null
}

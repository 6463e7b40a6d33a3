/**
 * What is set for a whole queue: its pause, and the order of its jobs.
 */
import type { QueueSettings, Removal } from "../../JobStore.ts"
import * as obstacle from "../obstacle.ts"
import * as limits from "./limits.ts"
import { type Queue, queueOf, type Tables } from "./tables.ts"

/** Answers whether there is such a queue. */
export const pause = (tables: Tables, name: string, paused: boolean, now: number): boolean => {
  const queue = tables.queues.get(name)
  if (queue === undefined || !isKnown(tables, queue, now)) return false
  queue.isRemoved = false
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
  if (limit !== null && !limits.isKnown(tables, limit)) return obstacle.noLimit(limit)
  queue.settings = { ageingMs, fair, limit }
  queue.isRemoved = false
  return null
}

/** The nodes of living workers that serve it. */
const nodesOf = (tables: Tables, { name }: Queue, now: number) =>
  Array.from(tables.members.values()).flatMap(({ expiresAt, node, serves }) =>
    expiresAt > now && Object.hasOwn(serves, name) ? [node] : []
  )

export const isKnown = (tables: Tables, queue: Queue, now: number): boolean =>
  !queue.isRemoved || queue.live.size > 0 || nodesOf(tables, queue, now).length > 0

/** Its jobs that have ended keep it. */
export const remove = (tables: Tables, name: string, now: number): Removal => {
  const queue = tables.queues.get(name)
  if (queue === undefined || !isKnown(tables, queue, now)) return "unknown"
  if (queue.live.size > 0) return { usedBy: obstacle.holdsJobs }
  const nodes = new Set(nodesOf(tables, queue, now))
  if (nodes.size > 0) return { usedBy: obstacle.served(Array.from(nodes).sort()) }
  queue.isRemoved = true
  queue.pausedAt = null
  queue.settings = { limit: null, fair: false, ageingMs: null }
  return "removed"
}

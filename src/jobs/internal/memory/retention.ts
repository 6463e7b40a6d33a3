/**
 * What of ended jobs goes. A job that has not ended never does.
 */
import * as Duration from "effect/Duration"
import type { JobRetention } from "../../JobStore.ts"
import * as fair from "./fair.ts"
import { forget } from "./moves.ts"
import { hasEnded, type Row } from "./row.ts"
import type { Queue, Tables } from "./tables.ts"
import * as uniqueKeys from "./uniqueKeys.ts"

export const prune = (tables: Tables, retention: JobRetention, now: number): number => {
  const keep = {
    completed: Duration.toMillis(Duration.fromInputUnsafe(retention.completed ?? "7 days")),
    cancelled: Duration.toMillis(Duration.fromInputUnsafe(retention.cancelled ?? "7 days")),
    discarded: Duration.toMillis(Duration.fromInputUnsafe(retention.discarded ?? "90 days"))
  }
  const before = tables.ended.size
  const isOld = ({ life, place }: Row) =>
    (place === "completed" || place === "cancelled" || place === "discarded") &&
    (life?.finishedAt ?? now) < now - keep[place]
  for (const row of tables.ended) if (isOld(row)) forget(tables, row)
  for (const row of tables.ended) {
    if (tables.ended.size <= (retention.jobs ?? Number.POSITIVE_INFINITY)) break
    forget(tables, row)
  }
  uniqueKeys.sweep(tables, now)
  const waiting = new Set<Queue>()
  for (const row of tables.rows.values()) if (row.place !== "running" && !hasEnded(row)) waiting.add(row.queue)
  for (const queue of tables.queues.values()) if (!waiting.has(queue)) fair.rest(queue.fair)
  return before - tables.ended.size
}

/**
 * What the queues have got done of late.
 */
import { isEnded } from "../../Job.ts"
import type { QueueEnds } from "../../JobStore.ts"
import { stateOf } from "./show.ts"
import type { Tables } from "./tables.ts"

export const since = (tables: Tables, instant: number): ReadonlyArray<QueueEnds> => {
  const sums = new Map<string, ReturnType<typeof none>>()
  for (const row of tables.ended) {
    const { life, queue } = row
    const place = stateOf(row)
    if (!isEnded(place) || life === null || (life.finishedAt ?? 0) <= instant) continue
    const sum = sums.get(queue.name) ?? none()
    sums.set(queue.name, sum)
    sum[place] += 1
    if (life.startedAt === null || life.finishedAt === null) continue
    sum.ran += 1
    sum.ranMs += life.finishedAt - life.startedAt
  }
  return Array.from(sums, ([queue, { ran, ranMs, ...counts }]) => ({
    queue,
    ...counts,
    runMs: ran === 0 ? null : ranMs / ran
  }))
}

const none = () => ({ completed: 0, discarded: 0, cancelled: 0, ran: 0, ranMs: 0 })

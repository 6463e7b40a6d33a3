/**
 * New jobs, in the order of the call; where an id or a unique key is taken, the job that has it.
 */
import * as DateTime from "effect/DateTime"
import type { Enqueued, NewJob } from "../../JobStore.ts"
import * as fair from "./fair.ts"
import * as graph from "./graph.ts"
import { countLive, end, orphaned, settleIn, takeOut } from "./moves.ts"
import { hasEnded, idOf, type Row, saysTime } from "./row.ts"
import { nextId, type Queue, queueOf, type Tables } from "./tables.ts"
import * as uniqueKeys from "./uniqueKeys.ts"

export const enqueue = (tables: Tables, jobs: ReadonlyArray<NewJob>, now: number): ReadonlyArray<Enqueued> => {
  const made: Array<{ readonly job: NewJob; readonly row: Row }> = []
  const answers = jobs.map((job): Enqueued => {
    const taken = holder(tables, job, now)
    if (taken !== undefined) return { id: idOf(taken), duplicate: true }
    const row = insert(tables, job, now)
    made.push({ job, row })
    return { id: idOf(row), duplicate: false }
  })
  // a job may wait for one that comes after it in the call, so all of them are there first
  for (const { job, row } of made) {
    const verdict = graph.wait(
      tables,
      row,
      job.after.flatMap(({ on, parent }) => {
        const id = typeof parent === "number" ? answers[parent]?.id : parent
        return id === undefined ? [] : [{ parent: BigInt(id), on }]
      })
    )
    if (verdict === "goes on") settleIn(tables, row, now)
    else if (verdict === "waits") row.place = "pending"
    else end(tables, row, { place: "cancelled", failure: orphaned(null) }, now)
  }
  return answers
}

/** Who has the id or the key, after what the new job asks for in that case. */
const holder = (tables: Tables, job: NewJob, now: number): Row | undefined => {
  const same = job.id === null ? undefined : tables.rows.get(BigInt(job.id))
  if (same !== undefined || job.unique === null) return same
  const row = uniqueKeys.holderOf(tables, job.unique.key, now)
  if (row === undefined || job.unique.onConflict === "skip" || hasEnded(row) || row.place === "running") return row
  const wasWaiting = row.place === "pending"
  takeOut(tables, row, now, "again")
  if (job.unique.onConflict === "replace") {
    row.payload = job.payload
    row.meta = metaOf(row.queue, job)
    Object.assign(row, order(row.queue, row.id, job))
  }
  row.at = dueOf(job, now)
  if (!wasWaiting) settleIn(tables, row, now)
  return row
}

const insert = (tables: Tables, job: NewJob, now: number): Row => {
  const queue = queueOf(tables, job.queue)
  const id = job.id === null ? nextId(tables, now) : BigInt(job.id)
  const row: Row = {
    id,
    queue,
    task: job.task,
    payload: job.payload,
    meta: metaOf(queue, job),
    ...order(queue, id, job),
    maxAttempts: job.maxAttempts,
    place: "scheduled",
    at: dueOf(job, now),
    slot: -1,
    life: null,
    extra: null
  }
  const limit = job.limit ??
    (queue.settings.limit === null ? null : { name: queue.settings.limit, key: "", strict: false })
  if (limit !== null || job.tenant !== null || !saysTime(id, now)) {
    row.extra = {
      createdAt: saysTime(id, now) ? null : now,
      key: null,
      limit,
      isAdmitted: false,
      waits: 0,
      tenant: job.tenant
    }
  }
  tables.rows.set(id, row)
  countLive(row, 1)
  if (job.unique !== null) uniqueKeys.take(tables, row, job.unique, now)
  return row
}

const dueOf = ({ delayMs, runAt }: NewJob, now: number) =>
  runAt === null ? now + Math.max(0, delayMs) : Math.max(now, DateTime.toEpochMillis(runAt))

/** A queue that orders by age keeps the priority that was given beside the order. */
const metaOf = ({ settings }: Queue, { meta, priority }: NewJob) =>
  settings.ageingMs === null ? meta : { ...meta, priority }

/** Where it stands in its queue: first come, first served; by age and priority; or by the turn of its tenant. */
const order = (queue: Queue, id: bigint, job: NewJob): Pick<Row, "ord" | "priority"> => {
  const { ageingMs, fair: isFair } = queue.settings
  const { priority } = job
  if (ageingMs !== null) return { priority: 0, ord: id + (BigInt(Math.round(priority * ageingMs)) << 20n) }
  return { priority, ord: isFair ? fair.enter(queue.fair, job.tenant ?? "", job.cost) : id }
}

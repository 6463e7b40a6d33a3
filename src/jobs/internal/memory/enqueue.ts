/**
 * New jobs, in the order of the call; where an id or a unique key is taken, the job that has it.
 */
import * as DateTime from "effect/DateTime"
import type { JobMeta } from "../../Job.ts"
import type { Enqueued, NewJob } from "../../JobStore.ts"
import { parentNotCompleted } from "../storeFailure.ts"
import * as fair from "./fair.ts"
import * as graph from "./graph.ts"
import { toDue } from "./lanes.ts"
import * as limits from "./limits.ts"
import { countLive, end, postpone } from "./moves.ts"
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
  const due: Array<Row> = []
  for (const { job, row } of made) {
    const verdict = graph.wait(
      tables,
      row,
      job.after.flatMap(({ on, parent }) => {
        const id = typeof parent === "number" ? answers[parent]?.id : parent
        return id === undefined ? [] : [{ parent: BigInt(id), on }]
      })
    )
    if (verdict === "waits") row.place = "pending"
    else if (verdict === "can not go on") end(tables, row, { place: "cancelled", failure: parentNotCompleted }, now)
    else if (row.at > now) toDue(tables, row, "scheduled", row.at)
    else due.push(row)
  }
  limits.pass(tables, due, now)
  return answers
}

/** Who has the id or the key, after what the new job asks for in that case. */
const holder = (tables: Tables, job: NewJob, now: number): Row | undefined => {
  const same = job.id === null ? undefined : tables.rows.get(BigInt(job.id))
  if (same !== undefined || job.unique === null) return same
  const row = uniqueKeys.holderOf(tables, job.unique.key, now)
  if (row === undefined || job.unique.onConflict === "skip" || hasEnded(row) || row.place === "running") return row
  // its permit goes to whoever is let in next, itself perhaps
  limits.vacate(tables, row, "over")
  postpone(tables, row, dueOf(job, now))
  // where it waits now it is not ordered by what changes here
  if (job.unique.onConflict === "replace") {
    row.payload = job.payload
    row.meta = metaOf(row.queue, job, now)
    row.maxAttempts = job.maxAttempts
    Object.assign(row, order(row.queue, row.ord, row.id, job))
  }
  return row
}

const insert = (tables: Tables, job: NewJob, now: number): Row => {
  const queue = queueOf(tables, job.queue)
  const fresh = nextId(tables, now)
  const id = job.id === null ? fresh : BigInt(job.id)
  const row: Row = {
    id,
    queue,
    task: job.task,
    payload: job.payload,
    meta: metaOf(queue, job, now),
    ...order(queue, fresh, fresh, job),
    maxAttempts: job.maxAttempts,
    place: "scheduled",
    at: dueOf(job, now),
    slot: -1,
    life: null,
    extra: null
  }
  if (job.limit !== null || job.tenant !== null || !saysTime(id, now)) {
    row.extra = {
      createdAt: saysTime(id, now) ? null : now,
      key: null,
      limit: job.limit,
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
const metaOf = ({ settings }: Queue, { deadlineMs, meta, priority }: NewJob, now: number): JobMeta => {
  const dated = deadlineMs === null ? meta : { ...meta, deadline: now + deadlineMs }
  return settings.ageingMs !== null ? { ...dated, priority } : Object.keys(dated).length === 0 ? nothing : dated
}

/** Most jobs say nothing about themselves, and share it. */
const nothing: JobMeta = {}

/** Where it stands in its queue: first come, first served; by age and priority; or by the turn of its tenant. */
const order = (queue: Queue, ord: bigint, since: bigint, job: NewJob): Pick<Row, "ord" | "priority"> => {
  const { ageingMs, fair: isFair } = queue.settings
  const { priority } = job
  if (ageingMs !== null) return { priority: 0, ord: since + (BigInt(Math.round(priority * ageingMs)) << 20n) }
  return { priority, ord: isFair && ord === since ? fair.enter(queue.fair, job.tenant ?? "", job.cost) : ord }
}

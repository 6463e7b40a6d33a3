/**
 * New jobs as columns of one statement. What Postgres cannot hold, or could not give back, is refused here, before it can
 * trouble others in the same statement.
 */
import * as DateTime from "effect/DateTime"
import * as Result from "effect/Result"
import * as StoredText from "../../../store/StoredText.ts"
import { JobStoreUnavailable } from "../../JobError.ts"
import type { NewJob } from "../../JobStore.ts"
import * as columns from "./columns.ts"
import * as jsonText from "./jsonText.ts"
import type { Names } from "./names.ts"

const largestCall = 128 * 1024 * 1024

/** A job that can be stored. */
export interface Row {
  readonly job: NewJob
  readonly kind: Kind
  readonly payload: string
  readonly meta: string | null
}

/** All of them, or why one cannot be stored. */
export const make = (jobs: ReadonlyArray<NewJob>): Result.Result<ReadonlyArray<Row>, JobStoreUnavailable> => {
  const rows: Array<Row> = []
  let total = 0
  for (const job of jobs) {
    const payload = JSON.stringify(job.payload)
    const meta = isEmpty(job.meta) ? null : jsonText.stored(job.meta)
    const size = payload.length + (meta?.length ?? 0)
    total += size
    if (size * 3 > jsonText.largest && Buffer.byteLength(payload) + Buffer.byteLength(meta ?? "") > jsonText.largest) {
      return refused(
        job,
        `its payload has ${Buffer.byteLength(payload)} bytes, more than the ${jsonText.largest} that can be read back`
      )
    }
    if (total > largestCall) {
      return refused(job, `the call has more than ${largestCall} bytes: enqueue in several calls`)
    }
    if (jsonText.isSuspect(payload) && jsonText.stored(job.payload) !== payload) {
      return refused(job, "its payload holds U+0000 or half of a surrogate pair, which Postgres cannot store")
    }
    rows.push({ job, kind: kindOf(job), payload, meta })
  }
  return Result.succeed(rows)
}

const isEmpty = (meta: NewJob["meta"]) => {
  for (const _ in meta) return false
  return true
}

/** Jobs with nothing but a place in line, or with a key that nothing is replaced for besides; or any. */
export type Kind = "plain" | "keyed" | "any"

const kindOf = ({ after, cost, deadlineMs, id, limit, unique }: NewJob): Kind =>
  id !== null || limit !== null || deadlineMs !== null || after.length > 0 || cost !== 1
    ? "any"
    : unique === null
    ? "plain"
    : unique.onConflict === "skip"
    ? "keyed"
    : "any"

/** What jobs have in common that differ by payload and meta alone, and are due at once; undefined for others. */
export const alike = (rows: ReadonlyArray<Row>): NewJob | undefined => {
  const first = rows[0]?.job
  return first !== undefined && first.delayMs === 0 && first.runAt === null &&
      rows.every(({ job }) =>
        job.queue === first.queue && job.task === first.task && job.priority === first.priority &&
        job.maxAttempts === first.maxAttempts && job.tenant === first.tenant && job.delayMs === 0 && job.runAt === null
      )
    ? first
    : undefined
}

/** Parameters of `enqueue_alike`. */
export const common = (
  names: Names,
  { maxAttempts, priority, queue, task, tenant }: NewJob,
  rows: ReadonlyArray<Row>
): ReadonlyArray<unknown> => [
  ...names.ids(queue, task),
  priority,
  maxAttempts,
  tenant === null ? null : StoredText.text(tenant),
  columns.text(rows.map(({ payload }) => payload)),
  columns.sparse(columns.text, rows.map(({ meta }) => meta))
]

/** Parameters of `enqueue`. */
export const plain = (names: Names, rows: ReadonlyArray<Row>): ReadonlyArray<unknown> => {
  const ids = rows.map(({ job }) => names.ids(job.queue, job.task))
  const of = (value: (job: NewJob) => unknown) => rows.map(({ job }) => value(job))
  return [
    columns.int4(ids.map(([queue]) => queue)),
    columns.int4(ids.map(([, task]) => task)),
    columns.text(rows.map(({ payload }) => payload)),
    columns.sparse(columns.text, rows.map(({ meta }) => meta)),
    columns.sparse(columns.int2, of(({ priority }) => priority === 0 ? null : priority)),
    columns.sparse(columns.int2, of(({ maxAttempts }) => maxAttempts === 20 ? null : maxAttempts)),
    columns.sparse(columns.int8, of(({ delayMs }) => delayMs === 0 ? null : BigInt(Math.ceil(delayMs)))),
    columns.sparse(columns.timestamptz, of(({ runAt }) => runAt === null ? null : DateTime.toDateUtc(runAt))),
    columns.sparse(columns.text, of(({ tenant }) => tenant === null ? null : StoredText.text(tenant)))
  ]
}

/** The further parameters of `enqueue_keyed`. */
export const keyed = (rows: ReadonlyArray<Row>, waitMs: number | null): ReadonlyArray<unknown> => [
  ...keyColumns(rows),
  waitMs
]

const keyColumns = (rows: ReadonlyArray<Row>) => [
  columns.sparse(
    columns.bytea,
    rows.map(({ job: { unique } }) => unique === null ? null : Buffer.from(unique.key, "hex"))
  ),
  columns.sparse(
    columns.int8,
    rows.map(({ job: { unique } }) => unique?.withinMs == null ? null : BigInt(Math.ceil(unique.withinMs)))
  ),
  columns.sparse(
    columns.text,
    rows.map(({ job: { unique } }) => unique === null || unique.until === "done" ? null : releases[unique.until])
  )
]

/** The further parameters of `enqueue_any`. `limits` are the numbers of the limits named by these jobs. */
export const further = (
  rows: ReadonlyArray<Row>,
  limits: ReadonlyMap<string, number>,
  waitMs: number | null
): ReadonlyArray<unknown> => {
  const of = (value: (job: NewJob) => unknown) => rows.map(({ job }) => value(job))
  const parents = new Set(rows.flatMap(({ job }) => job.after.map(({ parent }) => parent)))
  const edges = rows.flatMap(({ job }, child) =>
    job.after.map(({ on, parent }) => [
      child + 1,
      typeof parent === "number" ? parent + 1 : null,
      typeof parent === "number" ? null : parent,
      on === "completed" ? "c" : on === "failed" ? "f" : "a"
    ])
  )
  return [
    columns.sparse(columns.float4, of(({ cost }) => cost === 1 ? null : cost)),
    columns.sparse(columns.int8, of(({ id }) => id === null ? null : BigInt(id))),
    ...keyColumns(rows),
    columns.sparse(columns.text, of(({ unique }) => unique === null ? null : conflicts[unique.onConflict])),
    columns.sparse(columns.int4, of(({ limit }) => limit === null ? null : limits.get(limit.name) ?? null)),
    columns.sparse(columns.text, of(({ limit }) => limit === null ? null : StoredText.text(limit.key))),
    columns.sparse(columns.bool, of(({ limit }) => limit?.strict === true ? true : null)),
    columns.sparse(columns.bool, of(({ after }) => after.length > 0 ? true : null)),
    columns.sparse(columns.bool, rows.map((_, place) => parents.has(place) ? true : null)),
    columns.sparse(columns.int8, of(({ deadlineMs }) => deadlineMs === null ? null : BigInt(Math.ceil(deadlineMs)))),
    edges.length === 0 ? null : JSON.stringify(edges),
    waitMs
  ]
}

const releases = { done: "d", started: "s", forever: "n" }

const conflicts = { skip: "k", replace: "r", reschedule: "m" }

const refused = (job: NewJob, why: string) =>
  Result.fail(
    new JobStoreUnavailable({ operation: "enqueue", detail: `the job of task ${job.task} cannot be stored: ${why}` })
  )

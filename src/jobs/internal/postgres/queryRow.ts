/**
 * One job as operators see it, read from the tables that know of it. What a newer version, or a hand, wrote and nobody
 * here can read is shown as best it can, so that one row never hides the others.
 */
import type * as PgClient from "@effect/sql-pg/PgClient"
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Statement from "effect/sql/Statement"
import { LogLine } from "../../../core/TaskRun.ts"
import { Job, JobFailure, JobId, JobMeta, JobReport, type JobState } from "../../Job.ts"
import type { AttemptEntry } from "../../JobStore.ts"

/** What `select` gives. */
export interface JobRow {
  readonly id: string
  readonly queue: string
  readonly task: string
  readonly state: JobState
  readonly priority: number
  readonly attempt: number
  readonly maxAttempts: number
  readonly lost: number
  readonly node: string | null
  readonly payload: Schema.Json
  readonly meta: unknown
  readonly createdAt: Date
  readonly runAt: Date | null
  readonly availableAt: Date | null
  readonly startedAt: Date | null
  readonly finishedAt: Date | null
  readonly progress: Schema.Json | null
  readonly output: Schema.Json | null
  readonly report: unknown
  readonly failure: unknown
  readonly place: string | null
  readonly waits: number
  readonly limit: string | null
  readonly limitKey: string | null
  readonly hold: string | null
  readonly note: string | null
  readonly isDue: boolean
  readonly isPaused: boolean
  readonly isAlive: boolean | null
  readonly isCancelling: boolean
}

/** The rows of the jobs whose ids a query gives, newest first. By id it is a handful of reads of an index each. */
export const select = (sql: PgClient.PgClient, schema: string, ids: Statement.Fragment) => {
  const s = sql(schema)
  return sql<JobRow>`
    SELECT i.id::text AS id, coalesce(q.name, 'unknown queue ' || b.queue_id) AS queue,
      coalesce(t.name, 'unknown task ' || b.task_id) AS task,
      CASE WHEN r.worker_id IS NOT NULL THEN 'running' WHEN r.job_id IS NOT NULL THEN 'available'
        WHEN l.state = 's' THEN 'scheduled' WHEN l.state = 'r' THEN 'retryable' WHEN l.state = 'w' THEN 'pending'
        WHEN l.job_id IS NOT NULL THEN 'available'
        WHEN d.outcome = 'x' THEN 'cancelled' WHEN d.outcome = 'f' THEN 'discarded' ELSE 'completed' END AS state,
      CASE WHEN r.worker_id IS NOT NULL THEN 'running' WHEN r.job_id IS NOT NULL THEN 'ready' ELSE l.state::text END AS place,
      CASE WHEN q.ageing_ms IS NOT NULL AND b.meta ->> 'priority' ~ '^-?[0-9]{1,5}$'
        THEN (b.meta ->> 'priority')::int ELSE b.priority END AS priority, coalesce(r.attempt, l.attempt, d.attempt, 0) AS attempt, b.max_attempts AS "maxAttempts",
      coalesce(r.lost, l.lost, d.lost, 0) AS lost,
      (SELECT n.name FROM ${s}.node n WHERE n.worker_id = coalesce(r.worker_id, d.worker_id)) AS node,
      b.args AS payload, b.meta, ${finite(sql, "b.created_at")} AS "createdAt", ${finite(sql, "l.run_at")} AS "runAt",
      ${finite(sql, "coalesce(r.available_at, d.available_at)")} AS "availableAt",
      ${finite(sql, "coalesce(r.claimed_at, d.claimed_at)")} AS "startedAt",
      ${finite(sql, "d.finished_at")} AS "finishedAt",
      (SELECT p.value FROM ${s}.progress p WHERE p.job_id = b.id LIMIT 1) AS progress, d.output, d.report,
      (SELECT f.cause FROM ${s}.failure f WHERE f.job_id = b.id ORDER BY f.epoch DESC LIMIT 1) AS failure,
      coalesce(l.waits, 0) AS waits, l.limit_key AS "limitKey",
      (SELECT x.name FROM ${s}.limits x WHERE x.id = coalesce(nullif(l.limit_id, 0), q.limit_id)) AS limit,
      CASE WHEN l.state <> 'h' THEN l.note END AS note, coalesce(CASE WHEN l.state = 'h' THEN l.note END, (SELECT h.name FROM ${s}.holds h
        WHERE h.name IN ('task:' || t.name, 'tenant:' || b.tenant) AND r.job_id IS NOT NULL LIMIT 1)) AS hold,
      coalesce(l.run_at <= now(), false) AS "isDue", q.paused_at IS NOT NULL AS "isPaused",
      w.expires_at > now() AS "isAlive", c.job_id IS NOT NULL AS "isCancelling"
    FROM (${ids}) AS i(id)
    CROSS JOIN LATERAL (SELECT * FROM ${s}.job j WHERE j.id = i.id LIMIT 1) b
    LEFT JOIN ${s}.queue q ON q.id = b.queue_id
    LEFT JOIN ${s}.task t ON t.id = b.task_id
    LEFT JOIN LATERAL (SELECT * FROM ${s}.ready x WHERE x.queue_id = b.queue_id AND x.priority = b.priority
      AND x.ord = b.ord AND x.job_id = b.id LIMIT 1) r ON true
    LEFT JOIN LATERAL (SELECT * FROM ${s}.later x WHERE x.job_id = b.id LIMIT 1) l ON true
    LEFT JOIN LATERAL (SELECT * FROM ${s}.done x WHERE x.job_id = b.id LIMIT 1) d ON true
    LEFT JOIN ${s}.worker w ON w.id = r.worker_id
    LEFT JOIN ${s}.control c ON c.worker_id = r.worker_id AND c.job_id = r.job_id
    ORDER BY i.id DESC`.unprepared
}

// a date of this program's knows no infinity
const finite = (sql: PgClient.PgClient, instant: string) =>
  sql.literal(`CASE WHEN isfinite(${instant}) AND ${instant} < '275000-01-01' THEN ${instant} END`)

const reasonOf = (row: JobRow): string | null => {
  switch (row.place) {
    case "running":
      if (row.isAlive === null) return "its worker is gone: waits for rescue"
      if (!row.isAlive) return "its worker gives no sign of life: waits for rescue"
      return row.isCancelling ? `cancellation is requested, runs on ${row.node}` : `runs on ${row.node}`
    case "ready":
      if (row.isPaused) return "its queue is paused"
      return row.hold === null ? "waits for a free worker" : `${row.hold} is paused`
    case "h":
      return `${row.hold ?? "something"} is paused`
    case "a":
      return row.isDue || row.runAt === null ? "is due" : `its limit lets it start at ${row.runAt.toISOString()}`
    case "w":
      return `waits for ${row.waits} other ${row.waits === 1 ? "job" : "jobs"}`
    case "p":
      return `waits for limit ${row.limit ?? "unknown"}${row.limitKey === "" ? "" : `, key ${row.limitKey}`}`
    case null:
      return null
    default:
      return (row.isDue || row.runAt === null ? "is due" : `is due at ${row.runAt.toISOString()}`) +
        (row.note === null ? "" : `: ${row.note}`)
  }
}

const instant = (date: Date | null) => date === null ? null : DateTime.fromDateUnsafe(date)

export const read = (row: JobRow): Job =>
  new Job({
    id: JobId.make(row.id),
    queue: row.queue,
    task: row.task,
    state: row.state,
    reason: reasonOf(row),
    priority: row.priority,
    attempt: row.attempt,
    maxAttempts: row.maxAttempts,
    lost: row.lost,
    node: row.node,
    payload: row.payload,
    meta: readMeta(row.meta),
    createdAt: DateTime.fromDateUnsafe(row.createdAt ?? new Date(0)),
    runAt: instant(row.runAt),
    availableAt: instant(row.availableAt),
    startedAt: instant(row.startedAt),
    finishedAt: instant(row.finishedAt),
    progress: row.progress,
    output: row.output,
    report: Option.getOrNull(decodeReport(row.report)),
    failure: row.failure === null ? null : readFailure(row.failure)
  }, { disableChecks: true })

const decodeReport = Schema.decodeUnknownOption(Schema.toCodecJson(JobReport))
const decodeMeta = Schema.decodeUnknownOption(Schema.toCodecJson(JobMeta))
const decodeFailure = Schema.decodeUnknownOption(Schema.toCodecJson(JobFailure))
const decodeLine = Schema.decodeUnknownOption(Schema.toCodecJson(LogLine))

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** What can be read of it: a part that cannot is left out, and takes no other with it. */
const readMeta = (value: unknown): JobMeta => {
  if (!isObject(value)) return {}
  const whole = decodeMeta(value)
  if (Option.isSome(whole)) return whole.value
  const readable = Object.entries(value).filter(([key, part]) => Option.isSome(decodeMeta({ [key]: part })))
  return Option.getOrElse(decodeMeta(Object.fromEntries(readable)), () => ({}))
}

/** A failure of a form that is not known is one all the same. */
const readFailure = (value: unknown): JobFailure =>
  Option.getOrElse(decodeFailure(value), () => {
    const text = (key: string, otherwise: string) => {
      const part = isObject(value) ? value[key] : undefined
      return typeof part === "string" ? part : otherwise
    }
    return {
      kind: "failure",
      tag: text("tag", text("_tag", "Unreadable")),
      message: text("message", "the failure was stored in a form that cannot be read"),
      cause: typeof value === "string" ? value : Option.getOrElse(encodeText(value), () => "")
    }
  })

const encodeText = Schema.encodeUnknownOption(Schema.fromJsonString(Schema.Unknown))

export const readEntry = (row: {
  readonly attempt: number
  readonly epoch: number
  readonly startedAt: Date | null
  readonly at: Date
  readonly failure: unknown
  readonly lines: unknown
}): AttemptEntry => ({
  attempt: row.attempt,
  epoch: row.epoch,
  startedAt: instant(row.startedAt),
  at: DateTime.fromDateUnsafe(row.at),
  failure: row.failure === null ? null : readFailure(row.failure),
  logs: Array.isArray(row.lines)
    ? row.lines.flatMap((line) => {
      const read = decodeLine(line)
      return Option.isSome(read) ? [read.value] : []
    })
    : []
})

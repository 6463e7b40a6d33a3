/**
 * Finds jobs. A state is looked for in its own small table, never in all bodies; pages go by id, newest first, so that a
 * page costs the same wherever it is. What has to be searched for (a place in the payload, the tag of a failure) reads the
 * jobs that the rest of the filter leaves, and a search that would read too many ends after 10 s and says so: an index on
 * payloads (GIN, jsonb_path_ops) made inserts of 200 bytes take 40 % more time and 36 % more WAL.
 */
import type * as PgClient from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import type * as Statement from "effect/sql/Statement"
import * as StoredText from "../../../store/StoredText.ts"
import type { JobId, JobState } from "../../Job.ts"
import type { JobFilter } from "../../JobFilter.ts"
import type { JobPage } from "../../JobStore.ts"
import * as filterSql from "./filterSql.ts"
import * as queryRow from "./queryRow.ts"

/** Where the jobs of a state are. */
const places = {
  running: [["ready", "x.worker_id IS NOT NULL"]],
  available: [["ready", "x.worker_id IS NULL"], [
    "later",
    "x.state IN ('p', 'h', 'a')"
  ]],
  scheduled: [["later", "x.state = 's'"]],
  retryable: [["later", "x.state = 'r'"]],
  pending: [["later", "x.state = 'w'"]],
  completed: [["done", "x.outcome = 'c'"]],
  cancelled: [["done", "x.outcome = 'x'"]],
  discarded: [["done", "x.outcome = 'f'"]]
} as const satisfies Record<JobState, ReadonlyArray<readonly ["ready" | "later" | "done", string]>>

export const make = (house: PgClient.PgClient, schema: string) => {
  const s = house(schema)
  const filters = filterSql.make(house, schema)

  const onNode = (filter: JobFilter, table: "ready" | "later" | "done") => {
    const nodes = filter.nodes.map(StoredText.text)
    if (nodes.length === 0) return []
    if (table === "later") return [house`false`]
    return table === "ready"
      ? [house`x.worker_id = ANY(ARRAY(SELECT w.id FROM ${s}.worker w WHERE w.node = ANY(${nodes}::text[])))`]
      : [house`x.worker_id = ANY(ARRAY(SELECT n.worker_id FROM ${s}.node n WHERE n.name = ANY(${nodes}::text[])))`]
  }

  /** The newest ids in one place. */
  const inPlace = (
    filter: JobFilter,
    [table, condition]: readonly ["ready" | "later" | "done", string],
    before: JobId | null,
    limit: number
  ) => {
    const joins = filterSql.needsBody(filter) || (table === "done" && filter.queues.length > 0)
    const conditions = [
      house.literal(condition),
      ...before === null ? [] : [house`x.job_id < ${before}::bigint`],
      ...filters.onState(
        filter,
        house`x.job_id`,
        table === "done" ? joins ? house`b.queue_id` : undefined : house`x.queue_id`
      ),
      ...joins ? filters.onBody(filter) : [],
      ...onNode(filter, table)
    ]
    // the newest first, and the body of each read when it is its turn
    const body = joins ? house`CROSS JOIN LATERAL (SELECT * FROM ${s}.job j WHERE j.id = x.job_id LIMIT 1) b` : house``
    return house`(SELECT x.job_id AS id FROM ${s}.${house(table)} x ${body}
      WHERE ${house.and(conditions)} ORDER BY x.job_id DESC LIMIT ${limit})`
  }

  const anywhere = (filter: JobFilter, before: JobId | null, limit: number) => {
    const nodes = filter.nodes.map(StoredText.text)
    const conditions = [
      house`true`,
      ...before === null ? [] : [house`b.id < ${before}::bigint`],
      ...filters.onState(filter, house`b.id`, house`b.queue_id`),
      ...filters.onBody(filter),
      ...nodes.length === 0 ? [] : [house`(
        EXISTS (SELECT FROM ${s}.ready r JOIN ${s}.worker w ON w.id = r.worker_id WHERE r.queue_id = b.queue_id
          AND r.priority = b.priority AND r.ord = b.ord AND r.job_id = b.id AND w.node = ANY(${nodes}::text[]))
        OR EXISTS (SELECT FROM ${s}.done d JOIN ${s}.node n ON n.worker_id = d.worker_id
          WHERE d.job_id = b.id AND n.name = ANY(${nodes}::text[])))`]
    ]
    return house`(SELECT b.id FROM ${s}.job b WHERE ${house.and(conditions)} ORDER BY b.id DESC LIMIT ${limit})`
  }

  const found = (filter: JobFilter, before: JobId | null, limit: number): Statement.Fragment => {
    const parts = filter.states.length === 0
      ? [anywhere(filter, before, limit)]
      : Array.from(new Set(filter.states)).flatMap((state) =>
        places[state].map((place) => inPlace(filter, place, before, limit))
      )
    // a job that moves between two tables while they are read is found once
    return house`SELECT DISTINCT u.id FROM (${union(house, parts)}) u ORDER BY u.id DESC LIMIT ${limit}`
  }

  // one statement, so that what was found in a state is also shown in it
  const show = (ids: Statement.Fragment) =>
    Effect.map(queryRow.select(house, schema, ids), (rows) => rows.map(queryRow.read))

  const query = ({ before, filter, limit }: JobPage) =>
    filterSql.isPossible(filter) ? show(found(filter, before, limit)) : Effect.succeed([])

  const count = (filter: JobFilter, atMost: number) =>
    filterSql.isPossible(filter)
      ? Effect.map(
        house<{ n: number }>`SELECT count(*)::int AS n FROM (${found(filter, null, atMost)}) f`.unprepared,
        ([row]) => row?.n ?? 0
      )
      : Effect.succeed(0)

  const getMany = (ids: ReadonlyArray<JobId>) =>
    show(house`SELECT DISTINCT unnest(${filterSql.storable(ids)}::bigint[])`)

  const attempts = (id: JobId) =>
    filterSql.storable([id]).length === 0 ? Effect.succeed([]) : Effect.map(
      house<Parameters<typeof queryRow.readEntry>[0]>`
        SELECT coalesce(f.attempt, g.attempt) AS attempt, coalesce(f.epoch, g.epoch) AS epoch,
          coalesce(f.claimed_at, g.claimed_at) AS "startedAt", coalesce(f.at, g.at) AS at, f.cause AS failure, g.lines
        FROM (SELECT * FROM ${s}.failure WHERE job_id = ${id}::bigint AND attempt > 0) f
        FULL JOIN (SELECT * FROM ${s}.job_log WHERE job_id = ${id}::bigint) g ON g.epoch = f.epoch
        ORDER BY 2`,
      (rows) => rows.map(queryRow.readEntry)
    )

  return {
    query,
    count,
    getMany,
    get: (id: JobId) => Effect.map(getMany([id]), ([job]) => job ?? null),
    attempts
  }
}

const union = (sql: PgClient.PgClient, parts: ReadonlyArray<Statement.Fragment>) =>
  parts.slice(1).reduce<Statement.Fragment>((all, part) => sql`${all} UNION ALL ${part}`, sql`${parts[0] ?? sql``}`)

/**
 * A filter as conditions on rows. What it asks for and cannot be there (an id above 2^63, a trace that is none) finds
 * nothing and fails nothing; what the rows hold, whatever that is, does not fail it either.
 *
 * The tables are named `b` (job) and, where the state is known, those of that state.
 */
import type * as PgClient from "@effect/sql-pg/PgClient"
import * as DateTime from "effect/DateTime"
import type * as Statement from "effect/sql/Statement"
import * as StoredText from "../../../store/StoredText.ts"
import type { JobFilter, PayloadTerm } from "../../JobFilter.ts"

type Condition = Statement.Fragment

/** How far the time in an id may be from `created_at`: transactions that stayed open, and clocks of callers. */
const slackMs = 86_400_000

const texts = (values: ReadonlyArray<string>) => values.map(StoredText.text)

/** Ids that fit into a column. */
export const storable = (ids: ReadonlyArray<string>): ReadonlyArray<string> =>
  ids.filter((id) => /^[0-9]{1,19}$/.test(id) && BigInt(id) < 1n << 63n)

export const make = (sql: PgClient.PgClient, schema: string) => {
  const s = sql(schema)

  /** Conditions on a table that has the column `queue_id` and names the job by `key`. */
  const onState = (filter: JobFilter, key: Condition, queue: Condition | undefined): ReadonlyArray<Condition> => [
    ...filter.ids.length === 0 ? [] : [sql`${key} = ANY(${storable(filter.ids)}::bigint[])`],
    ...filter.queues.length === 0 || queue === undefined ? [] : [sql`${queue} = ANY(ARRAY(
      SELECT id FROM ${s}.queue WHERE name = ANY(${texts(filter.queues)}::text[])))`],
    ...filter.since === null ? [] : [sql`${key} >= ${idAt(filter.since, -slackMs)}::bigint`],
    ...filter.until === null ? [] : [sql`${key} < ${idAt(filter.until, slackMs)}::bigint`]
  ]

  /** Conditions on the body, `b`. */
  const onBody = (filter: JobFilter): ReadonlyArray<Condition> => [
    ...filter.tasks.length === 0 ? [] : [sql`b.task_id = ANY(ARRAY(
      SELECT id FROM ${s}.task WHERE name = ANY(${texts(filter.tasks)}::text[])))`],
    ...filter.tags.length === 0 ? [] : [sql`b.meta -> 'tags' @> ${sql.json(texts(filter.tags))}::jsonb`],
    ...filter.tenants.length === 0 ? [] : [sql`
      coalesce(b.tenant, b.meta #>> '{origin,tenant}') = ANY(${texts(filter.tenants)}::text[])`],
    ...filter.traces.length === 0 ?
      [] :
      [sql`split_part(b.meta ->> 'traceparent', '-', 2) = ANY(${
        texts(filter.traces.map((trace) => trace.toLowerCase()))
      }::text[])`],
    ...filter.errors.length === 0 ? [] : [sql`(
      SELECT f.cause ->> 'tag' FROM ${s}.failure f WHERE f.job_id = b.id ORDER BY f.epoch DESC LIMIT 1
    ) = ANY(${texts(filter.errors)}::text[])`],
    ...filter.since === null ? [] : [sql`b.created_at >= ${DateTime.toDateUtc(filter.since)}`],
    ...filter.until === null ? [] : [sql`b.created_at < ${DateTime.toDateUtc(filter.until)}`],
    ...filter.payload.map(payload)
  ]

  const payload = ({ operator, path, value }: PayloadTerm) => {
    const there = sql`(b.args #> ${texts(path)}::text[])`
    const isNumber = numeric.test(value) && Number.isFinite(Number(value))
    const compare = sql.literal(operator)
    const asText = sql`(${there} #>> '{}') COLLATE "C" ${compare} ${StoredText.text(value)}::text`
    return isNumber
      ? sql`CASE WHEN jsonb_typeof(${there}) = 'number'
          THEN (${there} #>> '{}')::numeric ${compare} ${value}::text::numeric ELSE ${asText} END`
      : asText
  }

  return { onState, onBody }
}

const numeric = /^-?[0-9]{1,64}(\.[0-9]{1,64})?([eE][+-]?[0-9]{1,4})?$/

/** The least id of an instant, within what an id can be. */
const idAt = (instant: DateTime.Utc, shiftMs: number): string => {
  const ms = Math.min(Math.max(0, DateTime.toEpochMillis(instant) + shiftMs), maxIdMs)
  return String(BigInt(Math.floor(ms)) << 20n)
}

const maxIdMs = 2 ** 43 - 1

/** Whether something besides the small tables of the states has to be read to decide. */
export const needsBody = (filter: JobFilter): boolean =>
  filter.tasks.length + filter.tags.length + filter.tenants.length + filter.traces.length + filter.errors.length +
        filter.payload.length > 0 || filter.since !== null || filter.until !== null

/** Whether a part of the filter is an empty list that asks for something which cannot be. */
export const isPossible = (filter: JobFilter): boolean => filter.ids.length === 0 || storable(filter.ids).length > 0

/**
 * The full schema with every feature, and the same without one part at a time: the difference is what that part costs.
 *
 * Rows about running jobs are fenced by worker and epoch, claims need a living worker, outcomes are kept, plans do not depend on
 * statistics. The tables that a drain never touches (edges, limits, timetables) are left out.
 */
import { readFileSync } from "node:fs"
import type { Payload } from "../../JobSystem.ts"
import { column, OID, type Row, type Shape } from "../Shape.ts"

/** The parts that can be taken away. */
interface Parts {
  /** Day partitions of job, done and failure. */
  readonly partitions: boolean
  /** claim and finish as plpgsql functions that fix their plan. */
  readonly functions: boolean
  /** The cursor hint. */
  readonly hint: boolean
  /** Flag 8 off: a done row for each job. */
  readonly history: boolean
  /** The worker-liveness check of the claim. */
  readonly liveness: boolean
  /** Worker and epoch compared at finish. */
  readonly fence: boolean
  /** args read from the body by a lateral join; false: stored in ready. */
  readonly apart: boolean
  readonly completers: number
}

const everything: Parts = {
  partitions: true,
  functions: true,
  hint: true,
  history: true,
  liveness: true,
  fence: true,
  apart: true,
  completers: 1
}

const sql = (file: string) => readFileSync(new URL(`../sql/${file}`, import.meta.url), "utf8")

const schema = (parts: Parts): string => {
  let text = sql("guide-tables.sql")
  if (!parts.partitions) {
    text = text.replaceAll(/\) partition by range \(\w+\);/g, ");").replaceAll(
      /^create table \w+_default partition.*$/gm,
      ""
    )
      .replace("select ensure_partitions();", "")
  }
  if (!parts.apart) {
    text = text.replace("lost smallint not null default 0,\n", "lost smallint not null default 0, args jsonb,\n")
  }
  return text
}

const claimBody = (parts: Parts): string => {
  let text = sql("guide-claim.sql")
  if (!parts.liveness) {
    text = text.replace(/with w as materialized[^\n]*\n\), l as/, "with l as").replace(
      "(select count(*) from w) = 1 and ",
      ""
    )
  }
  if (!parts.apart) {
    text = text.replace(
      "l.since as available_at, r.since as started_at",
      "l.since as available_at, r.since as started_at, r.args"
    )
      .replace(
        /select u\.\*, b\.task_id[\s\S]*$/,
        "select u.*, 1 as task_id, 20::smallint as max_attempts, null::jsonb as meta, null::timestamptz as created_at,\n  null::int as limit_id, null::text as limit_key, 0 as flags from u"
      )
  }
  return text
}

const finishBody = (parts: Parts): string => {
  let text = sql("guide-finish.sql")
  if (!parts.fence) {
    text = text.replace("\n      and x.worker_id = $1 and x.epoch = i.epoch", "").replace(
      " and r.worker_id = $1 and r.epoch = k.epoch",
      ""
    )
  }
  return text
}

const settings = `set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off set enable_hashjoin = off
  set enable_mergejoin = off set jit = off set plan_cache_mode = force_generic_plan`

const functions = (parts: Parts): string => `
create function claim(p_queue int, p_limit int, p_worker int, p_priority smallint, p_ord bigint, p_job bigint)
returns table (priority smallint, ord bigint, job_id bigint, epoch int, attempt smallint, available_at timestamptz, started_at timestamptz,
  ${
  parts.apart
    ? "task_id int, max_attempts smallint, args jsonb, meta jsonb"
    : "args jsonb, task_id int, max_attempts smallint, meta jsonb"
}, created_at timestamptz, limit_id int, limit_key text, flags int)
language plpgsql ${settings} as $$
#variable_conflict use_column
begin return query
${claimBody(parts)};
end $$;
create function finish(p_worker int, p_queue int[], p_priority smallint[], p_ord bigint[], p_job bigint[], p_epoch int[], p_outcome "char"[],
  p_delay_ms bigint[], p_available_at timestamptz[], p_output jsonb[], p_cause jsonb[], p_flags smallint[])
returns table (job_id bigint) language plpgsql ${settings} as $$
#variable_conflict use_column
begin return query
${finishBody(parts)};
end $$;`

const plain = (body: string, types: ReadonlyArray<string>): string =>
  body.replaceAll(/\$(\d+)(?!\d|::)/g, (_, n: string) => `$${n}::${types[Number(n) - 1]}`)

const finishTypes = [
  "int",
  "int[]",
  "smallint[]",
  "bigint[]",
  "bigint[]",
  "int[]",
  "\"char\"[]",
  "bigint[]",
  "timestamptz[]",
  "jsonb[]",
  "jsonb[]",
  "smallint[]"
]

const casts = (types: ReadonlyArray<string>) => types.map((type, index) => `$${index + 1}::${type}`).join(", ")

/** Bulk insert by 16 arrays; null arrays take their defaults. */
const enqueue = (parts: Parts) => {
  const text = sql("guide-enqueue.sql")
  return parts.apart
    ? text
    : text.replace(
      "insert into ready(queue_id, priority, ord, job_id)\n  select queue_id, priority, ord, id from",
      "insert into ready(queue_id, priority, ord, job_id, args)\n  select queue_id, priority, ord, id, args from"
    )
}

/** A shape made of these parts. */
const guide = (name: string, about: string, changed: Partial<Parts>): Shape => {
  const parts: Parts = { ...everything, ...changed }
  const claim = parts.functions
    ? `select * from claim(${casts(["int", "int", "int", "smallint", "bigint", "bigint"])})`
    : plain(claimBody(parts), ["int", "int", "int", "smallint", "bigint", "bigint"])
  const finish = parts.functions ? `select * from finish(${casts(finishTypes)})` : plain(finishBody(parts), finishTypes)
  const insert = enqueue(parts)
  const pick = (rows: ReadonlyArray<Row>, key: string, oid: number) => column(rows.map((row) => row[key]), oid)
  const same = (rows: ReadonlyArray<Row>, value: unknown, oid: number) => column(rows.map(() => value), oid)
  return {
    name,
    about,
    schema: [schema(parts), ...(parts.functions ? [functions(parts)] : [])],
    left: "select exists (select from ready) as left",
    register: {
      text: "insert into worker(node, expires_at) values ('bench', now() + interval '5 minutes') returning id",
      values: []
    },
    enqueue: (jobs) => ({
      text: insert,
      values: [
        column(jobs.map(() => 1), OID.int4),
        column(jobs.map(() => 1), OID.int4),
        null,
        null,
        null,
        null, // priority, max_attempts, run_at, delay_ms
        column(jobs, OID.jsonb),
        null,
        null,
        null,
        null,
        null,
        null,
        null,
        null,
        null // meta, ukey, until, release, ord, limit_id, limit_key, waits, children
      ]
    }),
    claim: (worker, cursor, limit) => ({
      text: claim,
      values: [1, limit, worker, cursor.priority, cursor.ord, cursor.jobId]
    }),
    finish: (worker, rows) => ({
      text: finish,
      values: [
        worker,
        same(rows, 1, OID.int4),
        pick(rows, "priority", OID.int2),
        pick(rows, "ord", OID.int8),
        pick(rows, "job_id", OID.int8),
        pick(rows, "epoch", OID.int4),
        same(rows, "c", OID.text),
        null,
        pick(rows, "available_at", OID.timestamptz),
        null,
        null,
        same(rows, parts.history ? 0 : 8, OID.int2)
      ]
    }),
    ...(parts.hint
      ? {
        cursor: (last: Row) => ({
          priority: Number(last["priority"]),
          ord: last["ord"] as bigint, // int8 columns decode to bigint
          jobId: last["job_id"] as bigint // int8 columns decode to bigint
        })
      }
      : {}),
    payload: (row) => row["args"] as Payload,
    completers: parts.completers
  }
}

/** The guide's statements, whole and without one part each. */
export const guideShapes: ReadonlyArray<Shape> = [
  guide("guide", "the full schema and statements", {}),
  guide("guide - hint", "claims scan from the start", { hint: false }),
  guide("guide - functions", "plain prepared statements instead of plpgsql functions", { functions: false }),
  guide("guide - partitions", "job, done and failure not partitioned", { partitions: false }),
  guide("guide - history", "flag 8: no done row", { history: false }),
  guide("guide - liveness", "claims do not look at the worker's row", { liveness: false }),
  guide("guide - fence", "finish compares neither worker nor epoch", { fence: false }),
  guide("guide - body apart", "args stored in ready, no lateral join", { apart: false }),
  guide("guide, 2 completers", "two completing fibers", { completers: 2 })
]

/**
 * The shape that the room `jobs` uses: every feature of the guide's schema, with claim and finish by array instead of by row.
 *
 * `complete` is the short way for jobs that completed plainly; `finish` takes every other outcome. Both keep the fence, the outcome
 * rows and a plan that no statistics can change.
 */
import { readFileSync } from "node:fs"
import { column, OID, type Row, type Shape } from "../Shape.ts"

const sql = (file: string) => readFileSync(new URL(`../sql/${file}`, import.meta.url), "utf8")

const ids = (rows: ReadonlyArray<Row>) => column(rows.map((row) => row["job_id"]), OID.int8)
const pick = (rows: ReadonlyArray<Row>, key: string, oid: number) => column(rows.map((row) => row[key]), oid)
const same = (rows: ReadonlyArray<Row>, value: unknown, oid: number) => column(rows.map(() => value), oid)

/** Every job through `complete`: the driver's jobs are of one priority and in their first epoch. */
const complete = (history: boolean): Shape["finish"] => (worker, rows) => ({
  text: "select complete($1::int, $2::int, $3::smallint, $4::int, $5::bigint[], $6::boolean) as fenced",
  values: [worker, 1, 0, 1, ids(rows), history]
})

/** Every job through `finish`. */
const finish: Shape["finish"] = (worker, rows) => ({
  text:
    `select job_id from finish($1::int, $2::int[], $3::smallint[], $4::bigint[], $5::bigint[], $6::int[], $7::"char"[],
    $8::bigint[], $9::jsonb[], $10::jsonb[], $11::smallint[])`,
  values: [
    worker,
    same(rows, 1, OID.int4),
    pick(rows, "priority", OID.int2),
    pick(rows, "ord", OID.int8),
    ids(rows),
    pick(rows, "epoch", OID.int4),
    same(rows, "c", OID.text),
    null,
    same(rows, { done: true }, OID.jsonb),
    null,
    same(rows, 0, OID.int2)
  ]
})

const room = (name: string, about: string, finishing: Shape["finish"], hint: boolean): Shape => ({
  name,
  about,
  schema: [sql("tables.sql"), sql("claim.sql"), sql("complete.sql"), sql("finish.sql")],
  left: "select exists (select from ready) as left",
  register: {
    text: "insert into worker(node, expires_at) values ('bench', now() + interval '5 minutes') returning id",
    values: []
  },
  enqueue: (jobs) => ({
    text: sql("enqueue.sql"),
    values: [
      same(jobs.map(() => ({})), 1, OID.int4),
      same(jobs.map(() => ({})), 1, OID.int4),
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
    text: "select * from claim($1::int, $2::int, $3::int, $4::smallint, $5::bigint, $6::bigint)",
    values: [1, limit, worker, cursor.priority, cursor.ord, cursor.jobId]
  }),
  finish: finishing,
  ...(hint
    ? {
      cursor: (last: Row) => ({
        priority: Number(last["priority"]),
        ord: last["ord"] as bigint, // int8 columns decode to bigint
        jobId: last["job_id"] as bigint // int8 columns decode to bigint
      })
    }
    : {}),
  payload: (row) => (row["args"] as { readonly n: number }).n
})

/** The winner and its own ablations. */
export const roomShapes: ReadonlyArray<Shape> = [
  room("room", "claim and complete by array, history kept: the shape of the room", complete(true), true),
  room("room, finish", "every job through finish, with an output", finish, true),
  room("room - hint", "claims scan from the start", complete(true), false),
  room("room - history", "no done row", complete(false), true)
]

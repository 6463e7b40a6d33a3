/**
 * The shape that the room `jobs` uses: every feature of the guide's schema, with claim and finish by array instead of by row.
 *
 * `complete` is the short way for jobs that completed plainly; `finish` takes every other outcome. Both keep the fence, the outcome
 * rows and a plan that no statistics can change.
 */
import { readFileSync } from "node:fs"
import type { Payload } from "../../JobSystem.ts"
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
  text: `select job_id from finish($1::int, $2::int, $3::smallint, $4::bigint[], $5::bigint[], $6::int[], $7::"char"[],
    $8::bigint[], $9::jsonb[], $10::jsonb[], $11::smallint[])`,
  values: [
    worker,
    1,
    0,
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
  payload: (row) => row["args"] as Payload
})

const winner = room(
  "room",
  "claim and complete by array, history kept: the shape of the room",
  complete(true),
  true
)

const claimText = "claim($1::int, $2::int, $3::int, $4::smallint, $5::bigint, $6::bigint)"

/** The ends of one batch and the next claim in one statement, one round trip and one commit. */
const exchanged: Shape = {
  ...winner,
  name: "room, one round trip",
  about: "complete and the next claim in one statement, one fiber",
  exchange: (worker, ended, cursor, limit) => ({
    text: `select c.* from (select complete($3::int, 1, 0::smallint, 1, $7::bigint[], true) as fenced offset 0) f
left join lateral ${claimText} c on true`,
    values: [1, limit, worker, cursor.priority, cursor.ord, cursor.jobId, ids(ended)]
  })
}

/** Rows addressed by the ctid of their claimed version instead of by key: no index scan at the end, but text both ways. */
const byCtid: Shape = {
  ...winner,
  name: "room, by ctid",
  about: "the claim answers ctids and complete deletes by them",
  schema: [
    ...winner.schema,
    sql("claim.sql").replace("create function claim(", "create function claim_ctid(")
      .replace("limit_key text, flags int)", "limit_key text, flags int, tid text)")
      .replace("r.available_at, r.claimed_at)", "r.available_at, r.claimed_at, r.ctid as tid)")
      .replace("select u.*,", "select u.priority, u.ord, u.job_id, u.epoch, u.attempt, u.available_at, u.claimed_at,")
      .replace("* 4 as flags", "* 4 as flags, u.tid::text"),
    sql("complete.sql").replace("create function complete(", "create function complete_ctid(")
      .replace("p_history boolean)", "p_history boolean, p_tid tid[])")
      .replace("r.ord = any(p_job)", "r.ctid = any(p_tid)")
  ],
  claim: (worker, cursor, limit) => ({
    text: `select * from ${claimText.replace("claim(", "claim_ctid(")}`,
    values: winner.claim(worker, cursor, limit).values
  }),
  finish: (worker, rows) => ({
    text:
      "select complete_ctid($1::int, $2::int, $3::smallint, $4::int, $5::bigint[], $6::boolean, $7::tid[]) as fenced",
    values: [worker, 1, 0, 1, ids(rows), true, pick(rows, "tid", OID.text)]
  })
}

/** The winner, its own ablations and its rivals. */
export const roomShapes: ReadonlyArray<Shape> = [
  winner,
  room("room, finish", "every job through finish, with an output", finish, true),
  room("room - hint", "claims scan from the start", complete(true), false),
  room("room - history", "no done row", complete(false), true),
  { ...winner, name: "room, 2 completers", about: "two completing fibers", completers: 2 },
  { ...winner, name: "room, 2 claimers", about: "two claiming fibers", claimers: 2 },
  exchanged,
  byCtid
]

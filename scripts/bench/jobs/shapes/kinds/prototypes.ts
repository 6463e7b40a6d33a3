/**
 * Prototypes: one table and no features, as reference points for what each feature costs.
 *
 * `hot` claims by an update that touches no index; `hist` keeps ended jobs. Neither has a fence, retries, keys or queues by name.
 */
import type { Payload } from "../../JobSystem.ts"
import { column, OID, type Row, type Shape } from "../Shape.ts"

const tables = (fillfactor: number, predicate: string) => `
create table jobs (
  id bigint generated always as identity primary key, queue int not null default 1, state smallint not null default 0,
  prio smallint not null default 0, attempts smallint not null default 0, run_at timestamptz not null default now(),
  lease timestamptz, worker int, payload jsonb not null
) with (fillfactor = ${fillfactor}, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
create index jobs_ready on jobs (queue, prio, run_at, id) ${predicate};
create table hist (
  id bigint, queue int, prio smallint, attempts smallint, run_at timestamptz, worker int, payload jsonb,
  finished_at timestamptz not null default now());`

const claim = `update jobs set state = 1, attempts = attempts + 1, lease = now() + interval '30 s', worker = $2
where ctid = any(array(select ctid from jobs where queue = 1 and state = 0 and run_at <= now()
  order by prio, run_at, id for update skip locked limit $1))
returning id, payload`

const ids = (rows: ReadonlyArray<Row>) => column(rows.map((row) => row["id"]), OID.int8)

const prototype = (name: string, about: string, schema: string, finish: string): Shape => ({
  name,
  about,
  schema: [schema],
  left: "select exists (select from jobs) as left",
  enqueue: (jobs) => ({
    text: "insert into jobs(payload) select x from unnest($1::jsonb[]) x",
    values: [column(jobs, OID.jsonb)]
  }),
  claim: (worker, _cursor, limit) => ({ text: claim, values: [limit, worker] }),
  finish: (_worker, rows) => ({ text: finish, values: [ids(rows)] }),
  payload: (row) => row["payload"] as Payload,
  completers: 2
})

/** The prototypes. */
export const prototypes: ReadonlyArray<Shape> = [
  prototype(
    "eff-hot",
    "prototype: one table, HOT claim, delete, no history, no features",
    tables(50, ""),
    "delete from jobs where id = any($1::bigint[])"
  ),
  prototype(
    "eff-hist",
    "prototype: one table, delete into an unindexed history, no features",
    tables(100, "where state = 0"),
    `with d as (delete from jobs where id = any($1::bigint[]) returning id, queue, prio, attempts, run_at, worker, payload)
insert into hist select * from d`
  )
]

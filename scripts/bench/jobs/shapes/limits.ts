/** What pgbench runs on the tables of shapes: the statements of the room, and those of the prototype `eff-hot`. */
import type { PgbenchScript } from "../measure/pgbench.ts"
import { shapeNamed } from "./all.ts"
import { databaseOf } from "./system.ts"

const payload = "jsonb_build_object('n', g, 't', 0, 's', repeat('x', 64))"

const room = databaseOf(shapeNamed("room"))
const hot = databaseOf(shapeNamed("eff-hot"))

/** The room's claim, then complete. */
export const roomScript: PgbenchScript = {
  database: { ...room, name: "pgbench room" },
  fill: async (connection, jobs) => {
    await connection.query("insert into worker(node, expires_at) values ('bench', now() + interval '5 minutes')")
    await connection.query(
      `with x as materialized (select new_id() as id, g from generate_series(1, $1::int) g), b as (
  insert into job(id, ord, queue_id, task_id, priority, max_attempts, args) select id, id, 1, 1, 0, 20, ${payload} from x)
insert into ready(queue_id, priority, ord, job_id) select 1, 0, id, id from x`,
      [jobs]
    )
  },
  script: `select array_agg(job_id) as ids from claim(1, 1000, 1, (-32768)::smallint, -1, -1) \\gset
select complete(1, 1, 0::smallint, 1, ':ids'::bigint[], true);
`,
  right: "select not exists (select from ready) and (select count(*) from done) = $1 as right",
  figure: "jobsPerSecond"
}

/** The prototype's claim, then delete by id. */
export const hotScript: PgbenchScript = {
  database: { ...hot, name: "pgbench eff-hot" },
  fill: async (connection, jobs) => {
    await connection.query(`insert into jobs(payload) select ${payload} from generate_series(1, $1::int) g`, [jobs])
  },
  script: `with c as (update jobs set state = 1, attempts = attempts + 1, lease = now() + interval '30 s', worker = 1
  where ctid = any(array(select ctid from jobs where queue = 1 and state = 0 and run_at <= now()
    order by prio, run_at, id for update skip locked limit 1000)) returning id)
select array_agg(id) as ids from c \\gset
delete from jobs where id = any(':ids'::bigint[]);
`,
  right: "select not exists (select from jobs) and $1::int > 0 as right",
  figure: "jobsPerSecond"
}

/** Inserts of 1000 rows into the prototype's table: one table, one index beside its key. */
export const insertScript: PgbenchScript = {
  database: { ...hot, name: "pgbench insert" },
  fill: async () => {},
  script: `insert into jobs(payload) select ${payload} from generate_series(1, 1000) g;\n`,
  right: "select count(*) = $1::int as right from jobs",
  figure: "insertsPerSecond"
}

/** Ostinato's own statements under pgbench: what the server alone allows, one client, batches of 1,000. */
import type { PgConnection } from "../../peers.ts"
import type { PgbenchScript } from "../measure/pgbench.ts"
import { ostinatoDatabase } from "./ostinato.ts"

const payload = "jsonb_build_object('n', g, 't', 0, 's', repeat('x', 64))::text"

const known = async (connection: PgConnection) => {
  await connection.query("insert into ostinato.queue(name) values ('bench')")
  await connection.query("insert into ostinato.task(name) values ('bench')")
  await connection.query("insert into ostinato.worker(node, expires_at) values ('bench', now() + interval '5 minutes')")
}

const enqueue = (from: string, to: string) =>
  `select cardinality((ostinato.enqueue_alike(1, 1, 0::smallint, 20::smallint, null, array_agg(${payload}),
array_agg(null::text), null)).ids) from generate_series(${from}, ${to}) g`

/** Claim, then the short way to the end. */
export const claimAndFinish: PgbenchScript = {
  database: ostinatoDatabase,
  fill: async (connection, jobs) => {
    await known(connection)
    for (let from = 0; from < jobs; from += 1000) await connection.query(enqueue(String(from), String(from + 999)))
  },
  script: `select array_agg(job_id) as ids from ostinato.claim(1, 1000, 1, (-32768)::smallint, -1, -1) \\gset
select ostinato.complete(1, 1, 0::smallint, 1, ':ids'::bigint[], true);
`,
  right: "select not exists (select from ostinato.ready) and (select count(*) from ostinato.done) = $1 as right",
  figure: "jobsPerSecond"
}

/** Inserts of 1,000 jobs. */
export const inserts: PgbenchScript = {
  database: ostinatoDatabase,
  fill: known,
  script: `${enqueue("1", "1000")};\n`,
  right: "select count(*) = $1::int as right from ostinato.ready",
  figure: "insertsPerSecond"
}

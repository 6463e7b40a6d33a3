/**
 * pgbench as the limit of the server alone: the same batches of 1000 with no client work to speak of.
 *
 * Two scripts on the table of the prototype `eff-hot` (claim, then delete by id; and insert) and one on the shape of the room (claim,
 * then complete). Absent pgbench is a row that says so.
 */
import { spawn } from "node:child_process"
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import type { Server } from "../../../postgres.ts"
import { withConnection } from "../../peers.ts"
import { treeCpuSeconds } from "../../proc.ts"
import { type Drained, freshDatabase } from "../backlog.ts"
import type { JobSystem } from "../JobSystem.ts"

const debian = "/usr/lib/postgresql"

/** The path of pgbench, when there is one. */
const findPgbench = (): string | undefined => {
  const installed = existsSync(debian)
    ? readdirSync(debian).toSorted().toReversed().map((version) => join(debian, version, "bin"))
    : []
  const searched = [...installed, ...(process.env["PATH"] ?? "").split(delimiter)]
  return searched.map((folder) => join(folder, "pgbench")).find((path) => existsSync(path))
}

/** Scripts of 1000 jobs each. */
const scripts = {
  hot: `with c as (update jobs set state = 1, attempts = attempts + 1, lease = now() + interval '30 s', worker = 1
  where ctid = any(array(select ctid from jobs where queue = 1 and state = 0 and run_at <= now()
    order by prio, run_at, id for update skip locked limit 1000)) returning id)
select array_agg(id) as ids from c \\gset
delete from jobs where id = any(':ids'::bigint[]);
`,
  room: `select array_agg(job_id) as ids from claim(1, 1000, 1, (-32768)::smallint, -1, -1) \\gset
select complete(1, 1, 0::smallint, 1, ':ids'::bigint[], true);
`,
  insert:
    `insert into jobs(payload) select jsonb_build_object('n', g, 't', 0, 's', repeat('x', 64)) from generate_series(1, 1000) g;
`
} as const

const run = (pgbench: string, args: ReadonlyArray<string>) =>
  new Promise<string>((resolve, reject) => {
    const child = spawn(pgbench, args, { stdio: ["ignore", "pipe", "pipe"], timeout: 60_000 })
    let output = ""
    let errors = ""
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()))
    child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()))
    child.on("error", reject)
    child.on("exit", (code) => code === 0 ? resolve(output) : reject(new Error(errors.slice(-1000))))
  })

/** Runs one script over `jobs` jobs of a system's tables, one client. */
export const measurePgbench = async (
  server: Server,
  system: JobSystem,
  script: keyof typeof scripts,
  jobs: number,
  load: () => number
): Promise<Drained> => {
  const about = { jobs, processes: 1, load: load(), figures: {} }
  const pgbench = findPgbench()
  if (pgbench === undefined) return { ...about, failure: "not run: pgbench absent" }
  const folder = mkdtempSync(join(tmpdir(), "ostinato-pgbench-"))
  try {
    const url = await freshDatabase(server, system)
    const file = join(folder, "script.sql")
    writeFileSync(file, scripts[script])
    return await withConnection(url, async (connection) => {
      if (script === "room") {
        await connection.query("insert into worker(node, expires_at) values ('bench', now() + interval '5 minutes')")
        await connection.query(
          `with x as materialized (select new_id() as id, g from generate_series(1, $1::int) g), b as (
  insert into job(id, ord, queue_id, task_id, priority, max_attempts, args)
  select id, id, 1, 1, 0, 20, jsonb_build_object('n', g, 't', 0, 's', repeat('x', 64)) from x)
insert into ready(queue_id, priority, ord, job_id) select 1, 0, id, id from x`,
          [jobs]
        )
      } else if (script === "hot") {
        await connection.query(
          "insert into jobs(payload) select jsonb_build_object('n', g, 't', 0, 's', repeat('x', 64)) from generate_series(1, $1::int) g",
          [jobs]
        )
      }
      await connection.query("vacuum analyze")
      await connection.query("checkpoint")
      const cpu = treeCpuSeconds(server.pid())
      const output = await run(pgbench, [
        "-n",
        "-M",
        "simple",
        "-c",
        "1",
        "-t",
        String(jobs / 1000),
        "-f",
        file,
        "-h",
        "127.0.0.1",
        "-p",
        String(server.port),
        "-U",
        "bench",
        url.slice(url.lastIndexOf("/") + 1)
      ])
      await new Promise((resolve) => setTimeout(resolve, 100)) // the backend is counted once the postmaster has reaped it
      const serverCpuPer100k = (treeCpuSeconds(server.pid()) - cpu) / jobs * 1e5
      const transactions = Number(/tps = ([\d.]+)/.exec(output)?.[1])
      if (!(transactions > 0)) throw new Error(`pgbench said: ${output.slice(0, 500)}`)
      const { rows } = await connection.query(
        script === "insert" ? "select count(*)::int as n from jobs" : system.left.replace("as left", "as n")
      )
      const right = script === "insert" ? rows[0]?.["n"] === jobs : rows[0]?.["n"] === false
      if (!right) throw new Error("pgbench left jobs or inserted another number")
      const perSecond = transactions * 1000
      return script === "insert"
        ? { ...about, insertsPerSecond: perSecond, serverCpuPer100k }
        : { ...about, jobsPerSecond: perSecond, serverCpuPer100k }
    })
  } catch (error) {
    return { ...about, failure: error instanceof Error ? error.message : String(error) }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/**
 * pgbench as the limit of the server alone: the same batches of 1000 with no client work to speak of, one client.
 *
 * Absent pgbench is a row that says so.
 */
import { spawn } from "node:child_process"
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import type { Server } from "../../../postgres.ts"
import type { PgConnection } from "../../peers.ts"
import { openDatabase, type PostgresNeeds } from "../places/Postgres.ts"
import { sleep } from "./children.ts"

/** A script and what it runs on. */
export interface PgbenchScript {
  readonly database: PostgresNeeds
  /** Puts `jobs` jobs there. */
  readonly fill: (connection: PgConnection, jobs: number) => Promise<void>
  /** One transaction, of 1000 jobs. */
  readonly script: string
  /** A query that answers one row with a boolean column `right`: was everything done? `$1` is the number of jobs. */
  readonly right: string
  readonly figure: "jobsPerSecond" | "insertsPerSecond"
}

const debian = "/usr/lib/postgresql"

/** The path of pgbench, when there is one. */
const findPgbench = (): string | undefined => {
  const installed = existsSync(debian)
    ? readdirSync(debian).toSorted().toReversed().map((version) => join(debian, version, "bin"))
    : []
  const searched = [...installed, ...(process.env["PATH"] ?? "").split(delimiter)]
  return searched.map((folder) => join(folder, "pgbench")).find((path) => existsSync(path))
}

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

/** Runs one script over `jobs` jobs. */
export const measurePgbench = async (
  server: Server,
  { database, figure, fill, right, script }: PgbenchScript,
  jobs: number
): Promise<Readonly<Record<string, number>>> => {
  const pgbench = findPgbench()
  if (pgbench === undefined) throw new Error("not run: pgbench absent")
  const folder = mkdtempSync(join(tmpdir(), "ostinato-pgbench-"))
  const place = await openDatabase(server, database)
  try {
    const file = join(folder, "script.sql")
    writeFileSync(file, script)
    await fill(place.connection, jobs)
    await place.settle("all")
    const cpu = place.cpuSeconds()
    const one = `-n -M simple -c 1 -t ${jobs / 1000} -h 127.0.0.1 -p ${server.port} -U bench`
    const output = await run(pgbench, [...one.split(" "), "-f", file, place.url.slice(place.url.lastIndexOf("/") + 1)])
    await sleep(100) // the backend is counted once the postmaster has reaped it
    const serverCpu = (place.cpuSeconds() - cpu) / jobs * 1e5
    const transactions = Number(/tps = ([\d.]+)/.exec(output)?.[1])
    if (!(transactions > 0)) throw new Error(`pgbench said: ${output.slice(0, 500)}`)
    const { rows } = await place.connection.query(right, [jobs])
    if (rows[0]?.["right"] !== true) throw new Error("pgbench left jobs or inserted another number")
    return { jobs, [figure]: transactions * 1000, serverCpu }
  } finally {
    await place.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

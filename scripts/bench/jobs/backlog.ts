/**
 * One measurement: insert a backlog in bulk, then drain it with fresh worker processes.
 *
 * The clock runs from the first handler's start until the server shows no job left (asked every 5 ms once all were handled), so
 * completions that a worker still holds in memory count. Valid: exactly the N payloads were handled, nothing is left, every
 * process took part. A run that stalls for 15 s or lasts more than 60 s is a failure with its reason, never a figure.
 */
import type { Server } from "../../postgres.ts"
import { type PgConnection, withConnection } from "../peers.ts"
import { treeCpuSeconds } from "../proc.ts"
import type { JobSystem } from "./JobSystem.ts"
import { monotonic } from "./monotonic.ts"
import { startWorker, type Worker } from "./process.ts"

/** The figures of one measurement. */
export interface Drained {
  readonly failure?: string | undefined
  readonly jobs: number
  readonly processes: number
  readonly jobsPerSecond?: number | undefined
  readonly seconds?: number | undefined
  readonly workerCpuPer100k?: number | undefined
  readonly serverCpuPer100k?: number | undefined
  readonly rssMb?: number | undefined
  readonly insertsPerSecond?: number | undefined
  readonly insertWalPerJob?: number | undefined
  readonly drainWalPerJob?: number | undefined
  readonly load: number
  readonly figures: Readonly<Record<string, number>>
}

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

const walPosition = async (connection: PgConnection): Promise<bigint> => {
  const { rows } = await connection.query("select (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::text as at")
  return BigInt(String(rows[0]?.["at"]))
}

/** The database of a system. */
export const databaseOf = (system: JobSystem): string => system.name.replaceAll(/[^a-z0-9]+/gi, "_").toLowerCase()

/** Makes a system's schema once, as the template that every measurement copies. */
export const makeTemplate = async (server: Server, system: JobSystem): Promise<void> => {
  const template = `${databaseOf(system)}_template`
  await withConnection(server.url("postgres"), (connection) => connection.query(`create database ${template}`))
  await withConnection(server.url(template), (connection) => system.prepare(connection, server.url(template)))
}

/** A fresh copy of the system's database. */
export const freshDatabase = async (server: Server, system: JobSystem): Promise<string> => {
  const database = databaseOf(system)
  await withConnection(server.url("postgres"), async (connection) => {
    await connection.query(`drop database if exists ${database} with (force)`)
    await connection.query(`create database ${database} template ${database}_template`)
  })
  return server.url(database)
}

const until = async (
  done: () => boolean,
  stalledSince: () => number,
  failed: () => string | undefined
): Promise<void> => {
  const start = monotonic()
  while (!done()) {
    const reason = failed()
    if (reason !== undefined) throw new Error(reason)
    const now = monotonic()
    if (now - start > 60_000) throw new Error("not done after 60 s")
    if (now - Math.max(start, stalledSince()) > 15_000) throw new Error("no job for 15 s")
    await sleep(2)
  }
}

const drain = async (
  server: Server,
  system: JobSystem,
  url: string,
  connection: PgConnection,
  jobs: number,
  workers: Array<Worker>,
  processes: number
) => {
  for (let index = 0; index < processes; index++) workers.push(await startWorker(system.driver, url))
  const handled = workers.map(() => 0)
  let first = Number.POSITIVE_INFINITY
  let moved = 0
  let failed: string | undefined
  workers.forEach((worker, index) =>
    worker.onReport((report) => {
      if (report.tag === "first") first = Math.min(first, report.at)
      if (report.tag === "handled") {
        handled[index] = report.handled
        moved = monotonic()
      }
      if (report.tag === "failed") failed ??= report.reason
    })
  )
  const wal = await walPosition(connection)
  const cpu = treeCpuSeconds(server.pid())
  for (const worker of workers) worker.send({ tag: "work", jobs, alone: processes === 1 })
  await until(() => handled.reduce((a, b) => a + b, 0) >= jobs, () => moved, () => failed)
  let left = true
  let end = 0
  for (let waited = monotonic(); left;) {
    const { rows } = await connection.query(system.left)
    left = rows[0]?.["left"] !== false
    end = monotonic()
    if (left && end - waited > 15_000) throw new Error("jobs are left 15 s after all were handled")
    if (left) await sleep(5)
  }
  const serverCpu = treeCpuSeconds(server.pid()) - cpu
  const drainWal = Number(await walPosition(connection) - wal)
  const reports = await Promise.all(workers.map(async (worker) => {
    const report = worker.next("report", 10_000)
    worker.send({ tag: "report" })
    return await report
  }))
  const count = reports.reduce((total, report) => total + report.handled, 0)
  const sum = reports.reduce((total, report) => total + report.sum, 0)
  if (count !== jobs || sum !== jobs * (jobs - 1) / 2) {
    throw new Error(`handled ${count} of ${jobs}, payload sum ${sum}`)
  }
  if (reports.some((report) => report.handled === 0)) throw new Error("a process took no part")
  const seconds = (end - first) / 1000
  const figures: Record<string, number> = {}
  for (const report of reports) {
    for (const [name, value] of Object.entries(report.figures)) figures[name] = (figures[name] ?? 0) + value
  }
  return {
    jobsPerSecond: jobs / seconds,
    seconds,
    workerCpuPer100k: reports.reduce((total, report) => total + report.cpuSeconds, 0) / jobs * 1e5,
    serverCpuPer100k: serverCpu / jobs * 1e5,
    rssMb: Math.max(...reports.map((report) => report.rssMb)),
    drainWalPerJob: drainWal / jobs,
    figures
  }
}

const fill = async (system: JobSystem, url: string, connection: PgConnection, jobs: number, workers: Array<Worker>) => {
  const producer = await startWorker(system.driver, url)
  workers.push(producer)
  const wal = await walPosition(connection)
  const inserted = producer.next("inserted", 60_000)
  producer.send({ tag: "bulk", from: 0, to: jobs, warm: Math.min(5000, Math.floor(jobs / 10)) })
  const { ms, rows } = await inserted
  const used = Number(await walPosition(connection) - wal)
  workers.pop()
  await producer.close()
  await connection.query("vacuum analyze")
  await connection.query("checkpoint")
  return { insertsPerSecond: rows / ms * 1000, insertWalPerJob: used / jobs }
}

/** Measures one system once. Never rejects: a failure is part of the answer. */
export const measureBacklog = async (
  server: Server,
  system: JobSystem,
  jobs: number,
  processes: number,
  load: () => number
): Promise<Drained> => {
  const workers: Array<Worker> = []
  const loadBefore = load()
  try {
    const url = await freshDatabase(server, system)
    return await withConnection(url, async (connection) => {
      const filled = await fill(system, url, connection, jobs, workers)
      const drained = await drain(server, system, url, connection, jobs, workers, processes)
      return { jobs, processes, load: loadBefore, ...filled, ...drained }
    })
  } catch (error) {
    return {
      jobs,
      processes,
      load: loadBefore,
      figures: {},
      failure: error instanceof Error ? error.message : String(error)
    }
  } finally {
    await Promise.all(workers.map((worker) => worker.close()))
  }
}

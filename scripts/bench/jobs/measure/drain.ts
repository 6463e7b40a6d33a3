/**
 * One measurement: insert a backlog in bulk, then drain it with fresh worker processes.
 *
 * The clock runs from the first handler's start until the server shows no job left (asked every 5 ms once all were handled), so
 * completions that a worker still holds in memory count. Valid: exactly the N payloads were handled, nothing is left, every
 * process took part. A run that stalls for 15 s or lasts more than 60 s is a failure with its reason, never a figure.
 */
import type { Server } from "../../../postgres.ts"
import { filling, type JobSystem } from "../JobSystem.ts"
import type { Place } from "../places/Place.ts"
import type { Worker } from "../process.ts"
import { type Bench, sleep, withBench } from "./children.ts"
import { monotonic } from "./monotonic.ts"

const until = async (
  done: () => boolean,
  movedAt: () => number,
  failed: () => string | undefined
): Promise<void> => {
  const start = monotonic()
  while (!done()) {
    const reason = failed()
    if (reason !== undefined) throw new Error(reason)
    const now = monotonic()
    if (now - start > 60_000) throw new Error("not done after 60 s")
    if (now - Math.max(start, movedAt()) > 15_000) throw new Error("no job for 15 s")
    await sleep(2)
  }
}

/** Waits until the server shows no job left; answers when that was. */
const untilEmpty = async (place: Place): Promise<number> => {
  const start = monotonic()
  while (true) {
    const left = await place.isLeft()
    const now = monotonic()
    if (!left) return now
    if (now - start > 15_000) throw new Error("jobs are left 15 s after all were handled")
    await sleep(5)
  }
}

const drain = async ({ place, startWorker }: Bench, jobs: number, processes: number) => {
  const workers: Array<Worker> = []
  for (let index = 0; index < processes; index++) workers.push(await startWorker())
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
  const log = await place.logBytes()
  const cpu = place.cpuSeconds()
  for (const worker of workers) worker.send({ tag: "work", jobs, alone: processes === 1 })
  await until(() => handled.reduce((a, b) => a + b, 0) >= jobs, () => moved, () => failed)
  const end = await untilEmpty(place)
  const serverCpu = place.cpuSeconds() - cpu
  const drainLog = await place.logBytes() - log
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
    ...figures,
    jobsPerSecond: jobs / seconds,
    workerCpu: reports.reduce((total, report) => total + report.cpuSeconds, 0) / jobs * 1e5,
    serverCpu: serverCpu / jobs * 1e5,
    rssMb: Math.max(...reports.map((report) => report.rssMb)),
    drainLog: drainLog / jobs
  }
}

/** Fills a place in bulk with jobs 0 to `jobs`, whose payload is filled with `size` characters. */
export const fill = async ({ end, place, start }: Bench, jobs: number, size = filling) => {
  const producer = await start()
  const log = await place.logBytes()
  const added = producer.next("added", 120_000)
  producer.send({ tag: "bulk", jobs, warm: Math.min(5000, Math.floor(jobs / 10)), size })
  const { jobs: rows, ms } = await added
  const used = await place.logBytes() - log
  await end(producer)
  return { insertsPerSecond: rows / ms * 1000, insertLog: used / jobs }
}

/** Measures one system once. CPU figures are seconds for 100,000 jobs, log figures bytes a job. */
export const measureDrain = (server: Server, system: JobSystem, jobs: number, processes: number) =>
  withBench(server, system, async (bench) => {
    const filled = await fill(bench, jobs)
    await bench.place.settle("all")
    return { jobs, ...filled, ...await drain(bench, jobs, processes) }
  })

/**
 * Bytes of log that a job of 200 bytes of arguments takes from enqueue to end, without a checkpoint in between: how many
 * whole pages a server logs besides depends on how often it makes them.
 */
export const measureLog = (server: Server, system: JobSystem, jobs: number) =>
  withBench(server, system, async (bench) => {
    // 24 bytes of the payload are not its filling
    const { insertLog } = await fill(bench, jobs, 176)
    await bench.place.settle("statistics")
    const { drainLog } = await drain(bench, jobs, 1)
    return { jobs, insertLog, drainLog, log: insertLog + drainLog }
  })

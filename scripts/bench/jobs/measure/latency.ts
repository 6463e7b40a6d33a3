/**
 * One measurement: from the call that enqueues a job to the start of its handler, at a set rate.
 *
 * Open loop: a job is added at each of its instants, whatever became of those before. Both instants are of the machine's one
 * monotonic clock. Before, three seconds at this rate, and at least 500 jobs a second, warm the processes up; the figures
 * begin when all of those were handled. Valid: every job was handled.
 */
import type { Server } from "../../../postgres.ts"
import type { JobSystem } from "../JobSystem.ts"
import { withBench } from "./children.ts"

/** Where producer and worker live. */
export type Where = "same process" | "two processes"

/** The value below which a share of the ascending values lies. */
const quantile = (sorted: ReadonlyArray<number>, share: number): number | undefined =>
  sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)]

/** Jobs a second of the warm-up, at least, and its seconds. */
const warmth = { rate: 500, seconds: 3 }

/** Measures one system once, for so many seconds. */
export const measureLatency = (server: Server, system: JobSystem, where: Where, rate: number, seconds: number) =>
  withBench(server, system, async ({ start, startWorker }) => {
    const warmRate = Math.max(rate, warmth.rate)
    const warm = warmRate * warmth.seconds
    const jobs = warm + rate * seconds
    const worker = await startWorker()
    const producer = where === "same process" ? worker : await start()
    worker.send({ tag: "work", jobs, alone: true, timedFrom: warm })
    const broken = new Promise<never>((_, reject) => {
      for (const child of new Set([worker, producer])) {
        child.onReport((report) => report.tag === "failed" && reject(new Error(report.reason)))
      }
    })
    const handled = (count: number, ms: number) => {
      const all = new Promise<void>((resolve) =>
        worker.onReport((report) => report.tag === "handled" && report.handled >= count && resolve())
      )
      const late = new Promise<never>((_, reject) =>
        setTimeout(reject, ms + 15_000, new Error("not all jobs were handled 15 s after the last one")).unref()
      )
      return Promise.race([all, broken, late])
    }
    const warmed = handled(warm, warmth.seconds * 1000)
    producer.send({ tag: "pace", rate: warmRate, from: 0, to: warm })
    await warmed
    const done = handled(jobs, seconds * 1000)
    producer.send({ tag: "pace", rate, from: warm, to: jobs })
    await done
    const answer = worker.next("report", 10_000)
    worker.send({ tag: "report" })
    const { latencies, timedMs } = await answer
    if (latencies.length !== rate * seconds) throw new Error(`${latencies.length} of ${rate * seconds} jobs were timed`)
    return {
      p50: quantile(latencies, 0.5),
      p95: quantile(latencies, 0.95),
      p99: quantile(latencies, 0.99),
      max: latencies.at(-1),
      rate: (latencies.length - 1) / timedMs * 1000
    }
  })

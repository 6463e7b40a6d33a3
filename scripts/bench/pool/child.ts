/**
 * One measurement in a fresh process: warm up, queue N tasks, weigh the heap, wait for all; the weighing is off the clock.
 *
 * `node --expose-gc child.ts SYSTEM WORKLOAD TASKS`; answers one message.
 */
import { workloads } from "./PoolSystem.ts"
import { systems } from "./systems.ts"

/** What a measurement found. */
export interface Measured {
  readonly failure?: string | undefined
  readonly tasks: number
  readonly tasksPerSecond?: number | undefined
  readonly cpuNsPerTask?: number | undefined
  /** Heap of a queued task with its handle. */
  readonly bytesPerTask?: number | undefined
  readonly rssMb?: number | undefined
}

const concurrency = 50
const [name = "", kind = "", tasks = ""] = process.argv.slice(2)

const heap = () => {
  if (globalThis.gc === undefined) throw new Error("start with --expose-gc")
  globalThis.gc()
  return process.memoryUsage().heapUsed
}

const measure = async (): Promise<Measured> => {
  const system = systems.find((candidate) => candidate.name === name)
  const workload = workloads.find((candidate) => candidate.name === kind)
  if (system === undefined || workload === undefined) throw new Error(`unknown: ${name} ${kind}`)
  const n = Number(tasks)
  let counted = 0
  const body = workload.body(() => void (counted += 1))
  const pool = await system.open(concurrency)
  for (let round = 0; round < 3; round++) await pool.queue(50_000, body).done()
  counted = 0
  const before = heap()
  const cpu = process.cpuUsage()
  let start = performance.now()
  const queued = pool.queue(n, body)
  let ms = performance.now() - start
  const used = process.cpuUsage(cpu)
  const bytesPerTask = (heap() - before) / n
  const rest = process.cpuUsage()
  start = performance.now()
  await queued.done()
  ms += performance.now() - start
  const usedThen = process.cpuUsage(rest)
  await pool.close()
  if (counted !== n) return { tasks: n, failure: `${counted} of ${n} tasks ran` }
  return {
    tasks: n,
    tasksPerSecond: n / ms * 1000,
    cpuNsPerTask: (used.user + used.system + usedThen.user + usedThen.system) * 1000 / n,
    bytesPerTask,
    rssMb: process.resourceUsage().maxRSS / 1024
  }
}

process.send?.(
  await measure().catch((error: unknown): Measured => ({
    tasks: Number(tasks),
    failure: error instanceof Error ? error.message : String(error)
  }))
)
process.disconnect()

/** One measurement in a process of its own: a system and a metric come in, figures go out. */
import { processes, threads } from "./ours.ts"
import { again, piscina, tinypool } from "./peers.ts"
import type { OpenPool } from "./ThreadSystem.ts"

/** What a measurement gives. */
export interface Figures {
  readonly value: number
  readonly cpuMicros?: number
  readonly rssMb: number
}

const inFlight = 64
const systems = [threads, processes, piscina, again, tinypool]

const throughput = async (
  pool: OpenPool,
  work: "nothing" | "millisecond",
  seconds: number
): Promise<Omit<Figures, "rssMb">> => {
  await pool.drive(work, inFlight, performance.now() + Math.min(1000, seconds * 500))
  const cpu = process.cpuUsage()
  const from = performance.now()
  const done = await pool.drive(work, inFlight, from + seconds * 1000)
  const took = performance.now() - from
  const { system, user } = process.cpuUsage(cpu)
  return { value: done / took * 1000, cpuMicros: (user + system) / done }
}

/** From the order to stop a loop that never ends to the answer of the next call on the same thread. */
const killToNext = async (pool: OpenPool): Promise<number> => {
  await pool.once()
  const begun = new SharedArrayBuffer(4)
  const stop = pool.spin(begun)
  const waiting = Atomics.waitAsync(new Int32Array(begun), 0, 0)
  if (waiting.async) await waiting.value
  const from = performance.now()
  const stopped = stop()
  await pool.once()
  const took = performance.now() - from
  await stopped
  return took
}

process.once("message", async ({ metric, name, seconds }: Record<"metric" | "name", string> & { seconds: number }) => {
  const system = systems.find((candidate) => candidate.name === name)
  if (system === undefined) throw new Error(`no system ${name}`)
  const pool = await system.open(metric === "kill" ? 1 : 2, metric === "millisecond" ? 16 : 1)
  const found = metric === "kill"
    ? { value: await killToNext(pool) }
    : await throughput(pool, metric === "nothing" ? "nothing" : "millisecond", seconds)
  process.send?.({ ...found, rssMb: process.resourceUsage().maxRSS / 1024 })
  await pool.close()
  process.disconnect()
})

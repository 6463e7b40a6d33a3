/** What a producer does with a driver while it is measured: bulk, one after another, many callers at once, at a set pace. */
import { type Driver, type Payload, payload, payloads } from "./JobSystem.ts"
import { monotonic } from "./measure/monotonic.ts"

/** Jobs that were added, in how long, with how much CPU of this process. */
export interface Added {
  readonly jobs: number
  readonly ms: number
  readonly cpuSeconds: number
}

const timed = async (jobs: () => Promise<number>): Promise<Added> => {
  const cpu = process.cpuUsage()
  const start = monotonic()
  const count = await jobs()
  const ms = monotonic() - start
  const used = process.cpuUsage(cpu)
  return { jobs: count, ms, cpuSeconds: (used.user + used.system) / 1e6 }
}

const plus = (a: Added, b: Added): Added => ({
  jobs: a.jobs + b.jobs,
  ms: a.ms + b.ms,
  cpuSeconds: a.cpuSeconds + b.cpuSeconds
})

/** Payloads 0 to `jobs` in bulk; the first `warm` are not in the figures. At most 100,000 at a time are in memory. */
export const bulk = async (driver: Driver, jobs: number, warm: number, size: number): Promise<Added> => {
  await driver.bulk(payloads(0, warm, size))
  let sum: Added = { jobs: 0, ms: 0, cpuSeconds: 0 }
  for (let from = warm; from < jobs; from += 100_000) {
    const batch = payloads(from, Math.min(jobs, from + 100_000), size)
    sum = plus(
      sum,
      await timed(async () => {
        await driver.bulk(batch)
        return batch.length
      })
    )
  }
  return sum
}

/** Bulk inserts with and without unique keys in turns of 5,000, so that both meet the same machine. */
export const unique = async (
  driver: Driver,
  jobs: number
): Promise<{ readonly plain: Added; readonly unique: Added }> => {
  const keyed = driver.unique
  if (keyed === undefined) throw new Error("the driver has no unique keys")
  const turn = 5000
  const sum = { plain: { jobs: 0, ms: 0, cpuSeconds: 0 }, unique: { jobs: 0, ms: 0, cpuSeconds: 0 } }
  for (let from = 0; from < jobs; from += turn) {
    for (const kind of from % (2 * turn) === 0 ? ["plain", "unique"] as const : ["unique", "plain"] as const) {
      const batch = payloads(from, from + turn)
      const added = await timed(async () => {
        await (kind === "plain" ? driver.bulk(batch) : keyed(batch))
        return batch.length
      })
      // the first turns warm both ways up
      if (from < 2 * turn) continue
      sum[kind] = plus(sum[kind], added)
    }
  }
  return sum
}

const byAdd = (driver: Driver) => async (callers: number, next: () => Payload | undefined) => {
  const caller = async () => {
    for (let job = next(); job !== undefined; job = next()) await driver.add(job)
  }
  await Promise.all(Array.from({ length: callers }, caller))
}

/** So many callers for so long, each awaiting the commit of one job before it adds the next. */
export const call = async (driver: Driver, callers: number, warmMs: number, ms: number): Promise<Added> => {
  let n = 0
  const round = (until: number) =>
    timed(async () => {
      const before = n
      const next = () => monotonic() < until ? payload(n++, 0) : undefined
      await (driver.call ?? byAdd(driver))(callers, next)
      return n - before
    })
  await round(monotonic() + warmMs)
  return round(monotonic() + ms)
}

/** Milliseconds that a timer may be late. */
const grain = 1

/**
 * Open loop: jobs `from` to `to`, one at each of its instants whatever became of those before, at most 5,000 without an
 * answer. A payload carries the instant of its call, or the latest at which a punctual timer would have called: the time
 * for which a busy process keeps a job from being called counts.
 */
export const pace = async (driver: Driver, rate: number, from: number, to: number): Promise<void> => {
  const start = monotonic()
  const instant = (n: number) => start + (n - from) / rate * 1000
  let waiting = 0
  let broken: unknown
  for (let n = from; n < to;) {
    const now = monotonic()
    while (n < to && instant(n) <= now && waiting < 5000) {
      waiting++
      driver.add(payload(n, Math.min(monotonic(), instant(n) + grain))).then(
        () => waiting--,
        (error: unknown) => broken ??= error
      )
      n++
    }
    if (broken !== undefined) throw broken
    await new Promise((resolve) => setTimeout(resolve, Math.max(1, instant(n) - monotonic())))
  }
}

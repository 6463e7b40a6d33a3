/**
 * One measurement: a fresh producer process adds jobs one after another, then 64 callers add them at once, each awaiting the
 * commit of its own. Nothing works on them.
 */
import type { Server } from "../../../postgres.ts"
import type { JobSystem } from "../JobSystem.ts"
import { withBench } from "./children.ts"

/** How many callers at once. */
export const callers = 64

/** Measures one system once. CPU figures are seconds for 100,000 jobs of the 64 callers. */
export const measureEnqueue = (server: Server, system: JobSystem, quick: boolean) =>
  withBench(server, system, async ({ place, start }) => {
    const producer = await start()
    const run = async (count: number, warmMs: number, ms: number) => {
      const added = producer.next("added", 30_000)
      producer.send({ tag: "call", callers: count, warmMs: quick ? 100 : warmMs, ms: quick ? 200 : ms })
      return await added
    }
    const serial = await run(1, 300, 1000)
    await run(callers, 0, 400)
    const cpu = place.cpuSeconds()
    const many = await run(callers, 0, 1200)
    return {
      serialPerSecond: serial.jobs / serial.ms * 1000,
      callersPerSecond: many.jobs / many.ms * 1000,
      producerCpu: many.cpuSeconds / many.jobs * 1e5,
      serverCpu: (place.cpuSeconds() - cpu) / many.jobs * 1e5
    }
  })

/** Measures bulk inserts with unique keys beside plain ones, in one process; `uniqueTime` is the ratio of their times. */
export const measureUnique = (server: Server, system: JobSystem, jobs: number) =>
  withBench(server, system, async ({ start }) => {
    const producer = await start()
    const answer = producer.next("unique", 120_000)
    producer.send({ tag: "unique", jobs })
    const { plain, unique } = await answer
    return {
      plainPerSecond: plain.jobs / plain.ms * 1000,
      uniquePerSecond: unique.jobs / unique.ms * 1000,
      uniqueTime: unique.ms / unique.jobs / (plain.ms / plain.jobs)
    }
  })

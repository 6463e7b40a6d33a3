/**
 * One measurement: what a claim takes with a million jobs waiting, beside a place where nothing else waits; and the memory of
 * a worker process among a million waiting jobs.
 *
 * A round puts 100 jobs in, claims 100, which is timed, and completes them, so that the number of waiting jobs stays.
 */
import type { Server } from "../../../postgres.ts"
import type { JobSystem } from "../JobSystem.ts"
import { type Bench, sleep, withBench } from "./children.ts"
import { inTurns, middle } from "./claims.ts"
import { fill } from "./drain.ts"

/** Peak memory of a worker that works on the backlog for a while. */
const memory = async ({ end, start }: Bench) => {
  const worker = await start()
  const first = worker.next("first", 20_000)
  worker.send({ tag: "work", jobs: Number.MAX_SAFE_INTEGER, alone: true })
  await first
  await sleep(4000)
  const report = worker.next("report", 10_000)
  worker.send({ tag: "report" })
  const { handled, rssMb } = await report
  if (handled === 0) throw new Error("the worker handled nothing")
  await end(worker)
  return rssMb
}

/** Measures one system once. Claims are milliseconds of a claim of 100. */
export const measureWaiting = (server: Server, system: JobSystem, jobs: number, quick: boolean) =>
  withBench(server, system, (other) =>
    withBench(server, system, async (bench) => {
      await fill(bench, jobs)
      await bench.place.settle("all")
      const full = await bench.start()
      const turns = await inTurns(quick ? 2 : 8, await other.start(), full)
      await bench.end(full)
      const empty = middle(turns.one.flat())
      const claim = middle(turns.another.flat())
      return { jobs, emptyMs: empty, fullMs: claim, fullTime: claim / empty, rssMb: await memory(bench) }
    }), "empty")

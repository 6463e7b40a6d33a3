/**
 * One measurement: what a claim takes with a million jobs waiting, beside a place where nothing else waits, and while another
 * session pins an old snapshot; and the memory of a worker process among a million waiting jobs.
 *
 * A round puts 100 jobs in, claims 100, which is timed, and completes them, so that the number of waiting jobs stays. The
 * places take turns, so that both meet the same machine. Figures of the pinned snapshot compare its last rounds with its first.
 */
import type { Server } from "../../../postgres.ts"
import { spread } from "../../interleave.ts"
import { withConnection } from "../../peers.ts"
import type { JobSystem } from "../JobSystem.ts"
import type { Worker } from "../process.ts"
import { type Bench, sleep, withBench } from "./children.ts"
import { fill } from "./drain.ts"

const batch = 100

const claims = async (worker: Worker, rounds: number): Promise<ReadonlyArray<number>> => {
  const answer = worker.next("claims", 60_000)
  worker.send({ tag: "claims", rounds, batch })
  return (await answer).ms
}

const median = (values: ReadonlyArray<number>) => spread(values)?.median ?? Number.NaN

const inTurns = async (turns: number, empty: Worker, full: Worker) => {
  const found = { empty: Array<number>(), full: Array<number>() }
  // the first turn warms both processes up
  for (let turn = 0; turn <= turns; turn++) {
    for (const kind of turn % 2 === 0 ? ["empty", "full"] as const : ["full", "empty"] as const) {
      const ms = await claims(kind === "empty" ? empty : full, 40)
      if (turn > 0) found[kind].push(...ms)
    }
  }
  return found
}

/** Claims while another session holds a snapshot that is older than all of them. */
const pinned = (url: string, worker: Worker, rounds: number) =>
  withConnection(url, async (connection) => {
    await connection.query("begin isolation level repeatable read")
    await connection.query("select count(*) from pg_class")
    const ms = await claims(worker, rounds)
    await connection.query("rollback")
    const part = Math.ceil(rounds / 6)
    return { first: median(ms.slice(0, part)), last: median(ms.slice(-part)) }
  })

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
      const held = await pinned(bench.place.url, full, quick ? 60 : 600)
      await bench.end(full)
      const empty = median(turns.empty)
      const claim = median(turns.full)
      return {
        jobs,
        emptyMs: empty,
        fullMs: claim,
        fullTime: claim / empty,
        pinnedFirstMs: held.first,
        pinnedLastMs: held.last,
        pinnedTime: held.last / held.first,
        rssMb: await memory(bench)
      }
    }), "empty")

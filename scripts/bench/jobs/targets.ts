/** The promises of the suite `jobs`: what issue and guide ask for, found in the medians of a run. */
import { spread } from "../interleave.ts"
import type { Target } from "../targets.ts"
import { compare, find, of, type Part, type Results } from "./results.ts"
import { base } from "./systems/graphile.ts"

const ours = "ostinato"

/** Every promise with what was found. */
export const targets = (results: Results): ReadonlyArray<Target> => {
  /** At least so many times what the peer reaches. */
  const atLeast = (part: Part, figure: string, name: string, peer: string, wanted: number): Target => {
    const row = find(results, part, name)
    const found = compare(row, find(results, part, peer), figure)?.median
    return {
      suite: results.suite,
      metric: `${part} ${figure}`,
      value: spread(of(row, figure))?.median,
      unit: "jobs/s",
      peer,
      ratio: found,
      target: `>= ${wanted}`,
      ok: found !== undefined && found >= wanted
    }
  }
  /** By itself, whatever the peers reach. */
  const alone = (
    bound: "<=" | ">=",
    part: Part,
    figure: string,
    name: string,
    wanted: number,
    unit: string
  ): Target => {
    const value = spread(of(find(results, part, name), figure))?.median
    return {
      suite: results.suite,
      metric: `${part} ${figure} (${name})`,
      value,
      unit,
      peer: undefined,
      ratio: undefined,
      target: `${bound} ${wanted}`,
      ok: value !== undefined && (bound === "<=" ? value <= wanted : value >= wanted)
    }
  }
  const drain = (peer: string, wanted: number) => atLeast("drain", "jobsPerSecond", ours, peer, wanted)
  return [
    // S2.5; its p50 below 20 ms is contained in the sharper ones of latency
    alone(">=", "drain", "insertsPerSecond", ours, 5000, "jobs/s"),
    drain(base.name, 2),
    atLeast("drain", "jobsPerSecond", `${ours}, 2 processes`, `${base.name}, 2 processes`, 1.6),
    drain("pg-boss", 3),
    drain("bullmq", 6),
    drain("bullmq, postgres", 6),
    drain("effect PersistedQueue", 15),
    drain("pgbench: claim and finish", 0.7),
    atLeast("enqueue", "callersPerSecond", ours, base.name, 20),
    atLeast("enqueue", "callersPerSecond", ours, "bullmq", 1.5),
    atLeast("drain", "insertsPerSecond", ours, base.name, 2),
    atLeast("drain", "insertsPerSecond", ours, "pgbench: insert", 0.7),
    alone("<=", "unique", "uniqueTime", ours, 1.4, "of plain"),
    alone("<=", "latency", "p50", `${ours}, same process, 100/s`, 1, "ms"),
    alone("<=", "latency", "p50", `${ours}, two processes, 100/s`, 2, "ms"),
    alone("<=", "latency", "p99", `${ours}, two processes, 100/s`, 6, "ms"),
    alone("<=", "latency", "p99", `${ours}, two processes, 10,000/s`, 20, "ms"),
    alone("<=", "log", "log", ours, 1100, "B/job"),
    alone("<=", "waiting", "fullTime", ours, 1.5, "of empty"),
    alone("<=", "pinned", "heldTime", ours, 1.2, "of free"),
    alone("<=", "waiting", "rssMb", ours, 256, "MB"),
    alone("<=", "idle", "queriesPerSecond", ours, 1, "statements/s")
  ]
}

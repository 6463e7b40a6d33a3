/** The suite `threads`: our pool of threads beside piscina and tinypool, each measurement in a fresh process. */
import { fork } from "node:child_process"
import { interleave, spread } from "../interleave.ts"
import { load, machine, versions } from "../machine.ts"
import type { Figures } from "./child.ts"
import { processes, threads } from "./ours.ts"
import { again, piscina, tinypool } from "./peers.ts"
import { type Metric, type Results, verdicts } from "./results.ts"
import type { ThreadSystem } from "./ThreadSystem.ts"

/** What a run may be told. */
export interface Options {
  readonly repetitions: number
  /** A fifth of the time each. */
  readonly quick: boolean
  /** Only systems whose name starts with one of these; empty = all. */
  readonly only: ReadonlyArray<string>
  readonly say: (line: string) => void
}

const metrics: ReadonlyArray<Metric> = ["nothing", "millisecond", "kill"]
const systems = [piscina, again, tinypool, threads, processes]
// a measurement that takes longer is shown as failed
const capMs = 30_000

const measure = (metric: Metric, { name }: ThreadSystem, seconds: number): Promise<Figures | null> =>
  new Promise((resolve) => {
    const child = fork(new URL("./child.ts", import.meta.url), { stdio: ["ignore", "ignore", "inherit", "ipc"] })
    let figures: Figures | null = null
    const cap = setTimeout(() => child.kill("SIGKILL"), capMs)
    child.once("message", (found: Figures) => {
      figures = found
    })
    child.once("exit", () => {
      clearTimeout(cap)
      resolve(figures)
    })
    child.send({ metric, name, seconds })
  })

/** Measures every metric of every system in every repetition. */
export const runThreads = async (options: Options): Promise<Results> => {
  const seconds = options.quick ? 0.6 : 3
  const loads: Array<number> = []
  const chosen = metrics.flatMap((metric) =>
    // the loop says that it has begun in shared memory, which a process has none of
    systems.filter((system) => metric !== "kill" || system !== processes).filter(({ name }) =>
      options.only.length === 0 || options.only.some((prefix) => name.startsWith(prefix))
    )
      .map((system) => ({ metric, system }))
  )
  const found = await interleave(chosen, options.repetitions, async ({ metric, system }, repetition) => {
    loads.push(load())
    const figures = await measure(metric, system, seconds)
    options.say(
      `${repetition + 1}/${options.repetitions} ${metric.padEnd(12)} ${system.name.padEnd(20)} ${
        figures === null ? "FAILED" : figures.value.toFixed(metric === "kill" ? 1 : 0)
      }`
    )
    return figures
  })
  const measured = Array.from(found, ([{ metric, system }, repetitions]) => ({
    metric,
    name: system.name,
    about: system.about,
    repetitions
  }))
  return {
    suite: "threads",
    date: new Date().toISOString().slice(0, 10),
    repetitions: options.repetitions,
    quick: options.quick,
    machine: machine(),
    versions: versions(["piscina", "tinypool"]),
    load: spread(loads),
    measured,
    rows: verdicts(measured)
  }
}

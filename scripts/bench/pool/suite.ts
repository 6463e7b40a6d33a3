/** The suite `pool`: N tasks with a handle each, queued at once on 50 slots, beside p-limit and fastq; every measurement in a fresh process. */
import { fork } from "node:child_process"
import { fileURLToPath } from "node:url"
import { interleave } from "../interleave.ts"
import { load, machine, versions } from "../machine.ts"
import { count } from "../table.ts"
import type { Measured } from "./child.ts"
import { workloads } from "./PoolSystem.ts"
import type { Results } from "./results.ts"
import { base, systems } from "./systems.ts"

const measure = (system: string, workload: string, tasks: number): Promise<Measured> =>
  new Promise((resolve) => {
    const child = fork(fileURLToPath(new URL("./child.ts", import.meta.url)), [system, workload, String(tasks)], {
      execArgv: [
        "--conditions=ostinato:source",
        "--disable-warning=ExperimentalWarning",
        "--expose-gc",
        "--max-old-space-size=4096"
      ],
      stdio: ["ignore", "ignore", "ignore", "ipc"]
    })
    const late = setTimeout(() => child.kill("SIGKILL"), 60_000)
    let found: Measured = { tasks, failure: "it ended without an answer, or took more than 60 s" }
    child.on("message", (message: Measured) => {
      found = message
    })
    child.on("exit", () => {
      clearTimeout(late)
      resolve(found)
    })
  })

/** What a run may be told. */
export interface Options {
  readonly repetitions: number
  /** A tenth of the tasks: to see that everything works, not to compare. */
  readonly quick: boolean
  /** Only systems whose name starts with one of these; empty = all. */
  readonly only: ReadonlyArray<string>
  readonly say: (line: string) => void
}

/** Runs the suite. */
export const runPool = async (options: Options): Promise<Results> => {
  const started = new Date()
  const rows = workloads.flatMap((workload) =>
    systems.filter(({ name }) => options.only.length === 0 || options.only.some((prefix) => name.startsWith(prefix)))
      .map((system) => ({ system, workload }))
  )
  const loads: Array<number> = []
  const measured = await interleave(rows, options.repetitions, async ({ system, workload }, repetition) => {
    loads.push(load())
    const found = await measure(system.name, workload.name, workload.tasks / (options.quick ? 10 : 1))
    const result = found.failure ?? `${count(found.tasksPerSecond ?? 0)} tasks/s, ${count(found.bytesPerTask ?? 0)} B`
    options.say(`${repetition + 1}/${options.repetitions} ${workload.name}: ${system.name}: ${result}`)
    return found
  })
  return {
    suite: "pool",
    date: started.toISOString().slice(0, 10),
    minutes: (Date.now() - started.getTime()) / 60_000,
    quick: options.quick,
    repetitions: options.repetitions,
    machine: machine(),
    versions: versions(["fastq", "p-limit"]),
    loads,
    base: base.name,
    rows: [...measured].map(([{ system: { about, name }, workload }, repetitions]) => ({
      name,
      about,
      workload: workload.name,
      repetitions
    }))
  }
}

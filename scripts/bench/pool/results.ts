/** The results of the suite `pool`, raw, the table that people read, and the verdict on its targets. */
import { ratio, type Spread, spread } from "../interleave.ts"
import type { Machine } from "../machine.ts"
import { count, table } from "../table.ts"
import type { Target } from "../targets.ts"
import type { Measured } from "./child.ts"
import { workloads } from "./PoolSystem.ts"

interface Row {
  readonly name: string
  readonly about: string
  readonly workload: string
  readonly repetitions: ReadonlyArray<Measured>
}

/** Everything that a run found, raw. */
export interface Results {
  readonly suite: "pool"
  readonly date: string
  readonly minutes: number
  readonly quick: boolean
  readonly repetitions: number
  readonly machine: Machine
  readonly versions: Readonly<Record<string, string>>
  /** Load averages before each measurement. */
  readonly loads: ReadonlyArray<number>
  readonly base: string
  readonly rows: ReadonlyArray<Row>
}

type Figure = Exclude<keyof Measured, "failure">

const find = (results: Results, workload: string, name: string) =>
  results.rows.find((row) => row.workload === workload && row.name === name)

const of = (row: Row | undefined, figure: Figure) => (row?.repetitions ?? []).map((measured) => measured[figure])

const fixed = (value: number | undefined, digits = 0) => value === undefined ? "-" : value.toFixed(digits)
const range = (value: Spread | undefined) =>
  value === undefined ? "-" : `${value.median.toFixed(2)} [${value.min.toFixed(2)}-${value.max.toFixed(2)}]`

const tableOf = (results: Results, workload: string): string =>
  table(
    [
      workload,
      "N",
      "tasks/s",
      "min-max",
      "ratio to p-limit [min-max]",
      "CPU ns/task",
      "B/queued task",
      "ratio to p-limit",
      "RSS MB",
      "invalid"
    ],
    results.rows.filter((row) => row.workload === workload).map((row) => {
      const base = find(results, workload, results.base)
      const speed = spread(of(row, "tasksPerSecond"))
      const failures = new Set(row.repetitions.flatMap(({ failure }) => failure ?? []))
      return [
        row.name,
        count(row.repetitions[0]?.tasks ?? 0),
        speed === undefined ? "-" : count(speed.median),
        speed === undefined ? "-" : `${count(speed.min)}-${count(speed.max)}`,
        range(ratio(of(row, "tasksPerSecond"), of(base, "tasksPerSecond"))),
        fixed(spread(of(row, "cpuNsPerTask"))?.median),
        fixed(spread(of(row, "bytesPerTask"))?.median),
        fixed(ratio(of(row, "bytesPerTask"), of(base, "bytesPerTask"))?.median, 2),
        fixed(spread(of(row, "rssMb"))?.median),
        failures.size === 0 ? "0" : Array.from(failures).join("; ")
      ]
    })
  )

/** The promises of the pool, on tasks with an empty body. */
export const targets = (results: Results): ReadonlyArray<Target> => {
  const target = (figure: Figure, unit: string, peer: string, wanted: number, isFloor: boolean): Target => {
    const ours = find(results, "empty", "ostinato")
    const found = ratio(of(ours, figure), of(find(results, "empty", peer), figure))?.median
    return {
      suite: "pool",
      metric: figure,
      value: spread(of(ours, figure))?.median,
      unit,
      peer,
      ratio: found,
      target: `${isFloor ? ">=" : "<="} ${wanted}`,
      ok: found !== undefined && (isFloor ? found >= wanted : found <= wanted)
    }
  }
  return [
    target("tasksPerSecond", "tasks/s", "p-limit", 2, true),
    target("tasksPerSecond", "tasks/s", "fastq.promise", 1.5, true),
    target("bytesPerTask", "B", "p-limit", 0.25, false)
  ]
}

/** The report of a run, as Markdown. */
export const report = (results: Results): string => {
  const { cores, cpu, memoryGb, system } = results.machine
  const loads = spread(results.loads)
  const again = ratio(
    of(find(results, "empty", `${results.base} (A/A)`), "tasksPerSecond"),
    of(find(results, "empty", results.base), "tasksPerSecond")
  )
  const isQuiet = again !== undefined && again.median >= 0.9 && again.median <= 1.1
  return [
    `${results.date}, ${results.repetitions} repetitions${results.quick ? " (quick: a tenth of the tasks)" : ""}, ${
      results.minutes.toFixed(1)
    } minutes. ${cores} cores (${cpu}), ${memoryGb} GiB, ${system}. A/A ratio ${range(again)}: ${
      isQuiet ? "inside 0.9-1.1" : "outside 0.9-1.1, the machine was too noisy for a verdict"
    }. Load average before a measurement: ${
      loads === undefined ? "-" : `median ${loads.median.toFixed(2)}, ${loads.min.toFixed(2)}-${loads.max.toFixed(2)}`
    }.`,
    `Versions: ${Object.entries(results.versions).map(([name, version]) => `${name} ${version}`).join(", ")}.`,
    ...workloads.map(({ name }) => tableOf(results, name)),
    [
      ...workloads.map(({ about, name }) => `- \`${name}\`: ${about}`),
      ...results.rows.filter(({ workload }) => workload === "empty").map(({ about, name }) => `- \`${name}\`: ${about}`)
    ].join("\n")
  ].join("\n\n")
}

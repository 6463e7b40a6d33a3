/** The results of the suite `threads`: raw repetitions, verdicts, and the table that people read. */
import { ratio, type Spread, spread } from "../interleave.ts"
import type { Machine } from "../machine.ts"
import { count, table } from "../table.ts"
import type { Figures } from "./child.ts"

export type Metric = "nothing" | "millisecond" | "kill"

export interface Measured {
  readonly metric: Metric
  readonly name: string
  readonly about: string
  /** Null where a repetition failed. */
  readonly repetitions: ReadonlyArray<Figures | null>
}

/** One line of the verdict. */
export interface Verdict {
  readonly suite: "threads"
  readonly metric: string
  readonly value: number | null
  readonly unit: string
  readonly peer: string | null
  readonly ratio: number | null
  readonly target: string
  readonly ok: boolean
}

export interface Results {
  readonly suite: "threads"
  readonly date: string
  readonly repetitions: number
  readonly quick: boolean
  readonly machine: Machine
  readonly versions: Readonly<Record<string, string>>
  readonly load: Spread | undefined
  readonly measured: ReadonlyArray<Measured>
  readonly rows: ReadonlyArray<Verdict>
}

const titles: Record<Metric, string> = {
  nothing: "empty tasks, 2 threads, 64 in flight",
  millisecond: "tasks of 1 ms, 2 threads, 64 in flight (ideal 2,000/s)",
  kill: "from the kill of an endless loop to the answer of the next task, 1 thread"
}

const rowOf = (measured: ReadonlyArray<Measured>, metric: Metric, name: string) =>
  measured.find((row) => row.metric === metric && row.name === name)
const valuesOf = (row: Measured | undefined) => (row?.repetitions ?? []).map((figures) => figures?.value)

/** The goals; a figure that was not measured misses its goal. */
export const verdicts = (measured: ReadonlyArray<Measured>): ReadonlyArray<Verdict> => {
  const faster = (metric: Metric, peer: string, target: number): Verdict => {
    const ours = valuesOf(rowOf(measured, metric, "ostinato"))
    const found = ratio(ours, valuesOf(rowOf(measured, metric, peer)))
    return {
      suite: "threads",
      metric,
      value: spread(ours)?.median ?? null,
      unit: "tasks/s",
      peer,
      ratio: found?.median ?? null,
      target: `ratio >= ${target}`,
      ok: (found?.median ?? 0) >= target
    }
  }
  const kill = spread(valuesOf(rowOf(measured, "kill", "ostinato")))
  return [
    faster("nothing", "piscina", 2),
    faster("nothing", "tinypool", 2),
    faster("millisecond", "piscina", 0.97),
    {
      suite: "threads",
      metric: "kill",
      value: kill?.median ?? null,
      unit: "ms",
      peer: null,
      ratio: null,
      target: "<= 400 ms",
      ok: (kill?.median ?? Number.POSITIVE_INFINITY) <= 400
    }
  ]
}

const range = (found: Spread | undefined, digits: number) =>
  found === undefined
    ? "failed"
    : `${found.median.toFixed(digits)} [${found.min.toFixed(digits)}-${found.max.toFixed(digits)}]`

const section = (results: Results, metric: Metric): string => {
  const rows = results.measured.filter((row) => row.metric === metric)
  const base = valuesOf(rowOf(results.measured, metric, "piscina"))
  const unit = metric === "kill" ? "ms" : "tasks/s"
  return `${titles[metric]}:\n\n${
    table(
      ["pool", unit, "min-max", "ratio to piscina [min-max]", "CPU µs/task", "RSS MB"],
      rows.map((row) => {
        const found = spread(valuesOf(row))
        const cpu = spread(row.repetitions.map((figures) => figures?.cpuMicros))
        return [
          row.name,
          found === undefined ? "failed" : count(found.median),
          found === undefined ? "-" : `${count(found.min)}-${count(found.max)}`,
          range(ratio(valuesOf(row), base), 2),
          cpu === undefined ? "-" : cpu.median.toFixed(1),
          (spread(row.repetitions.map((figures) => figures?.rssMb))?.median ?? 0).toFixed(0)
        ]
      })
    )
  }`
}

/** One line for each goal that was missed. */
export const missed = (results: Results): ReadonlyArray<string> =>
  results.rows.filter(({ ok }) => !ok).map(({ metric, peer, ratio: found, target, unit, value }) =>
    `missed: ${metric}${peer === null ? "" : ` against ${peer}`}: ${
      value === null ? "not measured" : `${count(value)} ${unit}${found === null ? "" : `, ratio ${found.toFixed(2)}`}`
    }, goal ${target}`
  )

/** The report of a run, as Markdown. */
export const report = (results: Results): string => {
  const { cores, cpu, memoryGb, system } = results.machine
  const legend = new Map(results.measured.map(({ about, name }) => [name, about]))
  return [
    `${results.date}, ${results.repetitions} repetitions${
      results.quick ? " (quick)" : ""
    }. ${cores} cores (${cpu}), ${memoryGb} GiB, ${system}. Load average before a measurement: ${
      range(results.load, 2)
    }.`,
    `Versions: ${Object.entries(results.versions).map(([name, version]) => `${name} ${version}`).join(", ")}.`,
    ...(["nothing", "millisecond", "kill"] as const).map((metric) => section(results, metric)),
    Array.from(legend, ([name, about]) => `- \`${name}\`: ${about}`).join("\n"),
    ...missed(results)
  ].join("\n\n")
}

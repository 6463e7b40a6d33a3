/** The results of the suite `jobs`, raw, and the table that people read. */
import { ratio, type Spread, spread } from "../interleave.ts"
import type { Machine } from "../machine.ts"
import { count, table } from "../table.ts"
import type { Drained } from "./backlog.ts"

/** One row with all its repetitions. */
export interface Measured {
  readonly name: string
  readonly about: string
  readonly group: "peer" | "room" | "guide" | "prototype" | "limit" | "two"
  readonly repetitions: ReadonlyArray<Drained>
}

/** Everything that a run found, raw. */
export interface Results {
  readonly suite: "jobs"
  readonly date: string
  readonly minutes: number
  readonly quick: boolean
  readonly repetitions: number
  readonly machine: Machine
  readonly versions: Readonly<Record<string, string>>
  readonly settings: Readonly<Record<string, string>>
  /** What the check of the room's statements found to hold. */
  readonly facts: ReadonlyArray<string>
  readonly base: string
  readonly rows: ReadonlyArray<Measured>
}

const of = (row: Measured | undefined, key: keyof Drained) =>
  (row?.repetitions ?? []).map((drained) => {
    const value = drained[key]
    return typeof value === "number" ? value : undefined
  })

const perCall = (row: Measured, kind: string): number | undefined =>
  spread(row.repetitions.map(({ figures }) => {
    const ms = figures[`${kind} ms`]
    const jobs = figures[`${kind} rows`]
    return ms === undefined || !jobs ? undefined : ms / jobs * 1000
  }))?.median

const fixed = (value: number | undefined, digits: number) => value === undefined ? "-" : value.toFixed(digits)
const counted = (value: Spread | undefined) => value === undefined ? "-" : count(value.median)
const range = (value: Spread | undefined) =>
  value === undefined ? "-" : `${value.median.toFixed(2)} [${value.min.toFixed(2)}-${value.max.toFixed(2)}]`

/** The row that a ratio refers to: two processes compare with two. */
const baseOf = (results: Results, row: Measured) =>
  results.rows.find(({ name }) => name === (row.group === "two" ? `${results.base}, 2 processes` : results.base))

const failures = (row: Measured) => row.repetitions.filter(({ failure }) => failure !== undefined)

/** The main table: throughput, ratio, CPU, memory, WAL. */
export const drainTable = (results: Results): string =>
  table(
    [
      "drain",
      "N",
      "jobs/s",
      "min-max",
      "ratio to base [min-max]",
      "CPU-s/100k worker",
      "server",
      "RSS MB",
      "claim ms/1000",
      "finish ms/1000",
      "WAL B/job insert",
      "drain",
      "invalid"
    ],
    results.rows.filter((row) =>
      of(row, "jobsPerSecond").some((value) => value !== undefined) || failures(row).length > 0
    ).map((row) => {
      const speed = spread(of(row, "jobsPerSecond"))
      const compared = ratio(of(row, "jobsPerSecond"), of(baseOf(results, row), "jobsPerSecond"))
      const reasons = new Set(failures(row).map(({ failure }) => (failure ?? "").split("\n")[0] ?? ""))
      return [
        row.name,
        count(row.repetitions[0]?.jobs ?? 0),
        counted(speed),
        speed === undefined ? "-" : `${count(speed.min)}-${count(speed.max)}`,
        range(compared),
        fixed(spread(of(row, "workerCpuPer100k"))?.median, 2),
        fixed(spread(of(row, "serverCpuPer100k"))?.median, 2),
        fixed(spread(of(row, "rssMb"))?.median, 0),
        fixed(perCall(row, "claim"), 1),
        fixed(perCall(row, "finish"), 1),
        fixed(spread(of(row, "insertWalPerJob"))?.median, 0),
        fixed(spread(of(row, "drainWalPerJob"))?.median, 0),
        reasons.size === 0 ? "0" : `${failures(row).length}: ${[...reasons].join("; ")}`
      ]
    })
  )

/** Bulk inserts. */
export const insertTable = (results: Results): string =>
  table(
    ["bulk insert", "rows/s", "min-max", "ratio to base [min-max]"],
    results.rows.filter((row) =>
      row.group !== "two" && of(row, "insertsPerSecond").some((value) => value !== undefined)
    ).map((row) => {
      const speed = spread(of(row, "insertsPerSecond"))
      const compared = ratio(of(row, "insertsPerSecond"), of(baseOf(results, row), "insertsPerSecond"))
      return [
        row.name,
        counted(speed),
        speed === undefined ? "-" : `${count(speed.min)}-${count(speed.max)}`,
        range(compared)
      ]
    })
  )

/** What each row is. */
export const legend = (results: Results): string =>
  results.rows.map(({ about, name }) => `- \`${name}\`: ${about}`).join("\n")

const noise = (results: Results): string => {
  const again = results.rows.find(({ name }) => name === `${results.base} (A/A)`)
  const found = ratio(
    of(again, "jobsPerSecond"),
    of(results.rows.find(({ name }) => name === results.base), "jobsPerSecond")
  )
  if (found === undefined) return "no A/A row: no verdict"
  const quiet = found.median >= 0.9 && found.median <= 1.1
  return `A/A ratio ${range(found)}: ${
    quiet ? "inside 0.9-1.1" : "outside 0.9-1.1, the machine was too noisy for a verdict"
  }`
}

/** The report of a run, as Markdown. */
export const report = (results: Results): string => {
  const { cores, cpu, memoryGb, system } = results.machine
  const loads = spread(results.rows.flatMap((row) => row.repetitions.map(({ load }) => load)))
  return [
    `${results.date}, ${results.repetitions} repetitions${results.quick ? " (quick: a tenth of every backlog)" : ""}, ${
      results.minutes.toFixed(1)
    } minutes. ${cores} cores (${cpu}), ${memoryGb} GiB, ${system}. ${
      noise(results)
    }. Load average before a measurement: ${
      loads === undefined ? "-" : `median ${loads.median.toFixed(2)}, ${loads.min.toFixed(2)}-${loads.max.toFixed(2)}`
    }.`,
    `Versions: ${Object.entries(results.versions).map(([name, version]) => `${name} ${version}`).join(", ")}.`,
    `Server: ${
      Object.entries(results.settings).map(([name, value]) => `${name}=${value}`).join(" ")
    }, locale C, UTF8, the rest default (durability on).`,
    drainTable(results),
    insertTable(results),
    legend(results)
  ].join("\n\n")
}

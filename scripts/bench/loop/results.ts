/** The results of the suite `loop`, raw, the table that people read, and its promises. */
import { load, type Machine, machine, versions } from "../machine.ts"
import { table } from "../table.ts"
import type { Figures, Load } from "./suite.ts"

/** Everything that a run found, raw. */
export interface Results {
  readonly suite: "loop"
  readonly date: string
  readonly repetitions: number
  readonly seconds: number
  readonly commits: number
  readonly machine: Machine
  readonly versions: Readonly<Record<string, string>>
  /** Load average before the first measurement. */
  readonly loadBefore: number
  readonly measured: ReadonlyArray<Figures>
}

/** What a run is described by, taken before it. */
export const circumstances = () => ({
  date: new Date().toISOString().slice(0, 10),
  machine: machine(),
  versions: versions([]),
  loadBefore: load()
})

const median = (values: ReadonlyArray<number>) => values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)]

const loads: ReadonlyArray<readonly [Load, string]> = [
  ["idle", "nothing"],
  ["thread", "pipeline on threads, and syncs"],
  ["none", "pipeline on the main thread, and syncs"]
]

const of = (results: Results, load: Load, figure: (figures: Figures) => number) =>
  median(results.measured.filter((one) => one.load === load).map(figure))

const goals = [
  { metric: "/livez p99", below: 50, figure: ({ livez }: Figures) => livez.p99 },
  { metric: "event-loop delay p99", below: 20, figure: ({ delay }: Figures) => delay.p99 }
]

/** One line for each promise that was not kept, by the medians of the repetitions. */
export const missed = (results: Results): ReadonlyArray<string> =>
  goals.flatMap(({ below, figure, metric }) => {
    const found = of(results, "thread", figure)
    return found !== undefined && found < below
      ? []
      : [`missed: loop ${metric} is ${found?.toFixed(1) ?? "not measured"} ms, wanted less than ${below} ms`]
  })

/** The report of a run, as Markdown. */
export const report = (results: Results): string => {
  const { cores, cpu, memoryGb, system } = results.machine
  const cell = (load: Load, figure: (figures: Figures) => number) => of(results, load, figure)?.toFixed(1) ?? "-"
  return [
    `${results.date}, medians of ${results.repetitions} repetitions of ${results.seconds} s. ${cores} cores (${cpu}), ` +
    `${memoryGb} GiB, ${system}, load average before ${results.loadBefore.toFixed(2)}; ` +
    `${Object.entries(results.versions).map(([name, version]) => `${name} ${version}`).join(", ")}. ` +
    `Milliseconds; the history has ${results.commits} commits.`,
    table(
      ["what runs", "/livez p50", "p99", "max", "loop delay p50", "p99", "max", "pipelines", "syncs"],
      loads.map(([load, what]) => [
        what,
        cell(load, ({ livez }) => livez.p50),
        cell(load, ({ livez }) => livez.p99),
        cell(load, ({ livez }) => livez.max),
        cell(load, ({ delay }) => delay.p50),
        cell(load, ({ delay }) => delay.p99),
        cell(load, ({ delay }) => delay.max),
        cell(load, ({ pipelines }) => pipelines),
        cell(load, ({ syncs }) => syncs)
      ])
    ),
    ...missed(results)
  ].join("\n\n")
}

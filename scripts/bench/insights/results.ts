/** The results of the suite `insights`: rows with their targets, and the table that people read. */
import { ratio, type Spread, spread } from "../interleave.ts"
import type { Machine } from "../machine.ts"
import { count, table } from "../table.ts"

/** What one repetition measured on one repository. */
export interface Repetition {
  readonly commits: number
  readonly gitSeconds: number
  readonly seconds: number
  readonly handedMb: number
  readonly keptMb: number
  readonly idleMb: number
}

/** One figure with its target. */
export interface Row {
  readonly suite: "insights"
  readonly metric: string
  readonly value: number
  readonly unit: string
  readonly peer: string | null
  readonly ratio: number | null
  readonly target: string | null
  readonly ok: boolean
}

/** Everything that a run found. */
export interface Results {
  readonly suite: "insights"
  readonly date: string
  readonly git: string
  readonly node: string
  readonly machine: Machine
  readonly repetitions: ReadonlyArray<Repetition>
  readonly rows: ReadonlyArray<Row>
}

// git does most of the work, and a history four times as long costs no memory
const timeLimit = 1.5
const memoryLimit = 1.25

const of = (all: ReadonlyArray<Repetition>, key: keyof Repetition, commits: number) =>
  all.filter((one) => one.commits === commits).map((one) => one[key])

const median = (values: ReadonlyArray<number>) => spread(values)?.median ?? Number.NaN

/** The figures of all repetitions, with a verdict where there is a target. */
export const rowsOf = (all: ReadonlyArray<Repetition>, sizes: readonly [small: number, large: number]) => {
  const row = (metric: string, value: number, unit: string, more: Partial<Row> = {}): Row => ({
    suite: "insights",
    metric,
    value,
    unit,
    peer: null,
    ratio: null,
    target: null,
    ok: true,
    ...more
  })
  const rows = sizes.flatMap((size) => {
    const times = ratio(of(all, "seconds", size), of(all, "gitSeconds", size))?.median ?? Number.NaN
    return [
      row(`time at ${size} commits`, median(of(all, "seconds", size)), "s", {
        peer: "git log --numstat",
        ratio: times,
        target: `ratio <= ${timeLimit}`,
        ok: times <= timeLimit
      }),
      row(`git alone at ${size} commits`, median(of(all, "gitSeconds", size)), "s"),
      row(`peak memory at ${size} commits`, median(of(all, "handedMb", size)), "MB"),
      row(`peak memory at ${size} commits, days kept`, median(of(all, "keptMb", size)), "MB"),
      row(`memory of the idle process beside ${size} commits`, median(of(all, "idleMb", size)), "MB")
    ]
  })
  const [small, large] = sizes.map((size) => median(of(all, "handedMb", size)))
  const growth = (large ?? Number.NaN) / (small ?? Number.NaN)
  return [
    ...rows,
    row(`growth of peak memory from ${sizes[0]} to ${sizes[1]} commits`, growth, "ratio", {
      target: `<= ${memoryLimit}`,
      ok: growth <= memoryLimit
    })
  ]
}

/** One line for each target that was missed. */
export const missed = (results: Results): ReadonlyArray<string> =>
  results.rows.filter(({ ok }) => !ok).map(({ metric, ratio, target, value }) =>
    `missed: ${metric}: ${(ratio ?? value).toFixed(2)}, target ${target}`
  )

const range = (value: Spread | undefined, digits: number) =>
  value === undefined
    ? "-"
    : `${value.median.toFixed(digits)} [${value.min.toFixed(digits)}-${value.max.toFixed(digits)}]`

/** The report of a run, as Markdown. */
export const report = (results: Results): string => {
  const { cores, cpu, memoryGb, system } = results.machine
  const sizes = Array.from(new Set(results.repetitions.map(({ commits }) => commits)))
  const growth = results.rows.find(({ metric }) => metric.startsWith("growth"))
  return [
    `${results.date}, ${
      results.repetitions.length / sizes.length
    } repetitions. ${cores} cores (${cpu}), ${memoryGb} GiB, ` +
    `${system}, ${results.git}, node ${results.node}. Medians [min-max].`,
    table(
      ["commits", "git alone s", "ours s", "ratio", "peak MB", "days kept MB", "idle MB"],
      sizes.map((size) => [
        count(size),
        range(spread(of(results.repetitions, "gitSeconds", size)), 2),
        range(spread(of(results.repetitions, "seconds", size)), 2),
        range(ratio(of(results.repetitions, "seconds", size), of(results.repetitions, "gitSeconds", size)), 2),
        range(spread(of(results.repetitions, "handedMb", size)), 0),
        range(spread(of(results.repetitions, "keptMb", size)), 0),
        range(spread(of(results.repetitions, "idleMb", size)), 0)
      ])
    ),
    `Peak memory grows by ${growth?.value.toFixed(2) ?? "-"} while the history grows fourfold.`
  ].join("\n\n")
}

/** The results of a suite about jobs, raw, and how to look things up in them. */
import { ratio, type Spread } from "../interleave.ts"
import type { Machine } from "../machine.ts"
import type { Figures } from "./measure/Figures.ts"

/** What is measured; each has its own table. */
export type Part = "drain" | "enqueue" | "unique" | "latency" | "log" | "waiting" | "pinned" | "idle"

/** One row with all its repetitions. */
export interface Measured {
  readonly part: Part
  readonly name: string
  readonly about: string
  /** The row of the same part that its ratios refer to. */
  readonly base: string
  readonly repetitions: ReadonlyArray<Figures>
}

/** Everything that a run found, raw. */
export interface Results {
  readonly suite: "jobs" | "jobs-shapes"
  readonly date: string
  readonly minutes: number
  readonly quick: boolean
  readonly repetitions: number
  readonly machine: Machine
  readonly versions: Readonly<Record<string, string>>
  readonly settings: Readonly<Record<string, string>>
  /** What was checked, and held, before anything was timed. */
  readonly facts: ReadonlyArray<string>
  readonly rows: ReadonlyArray<Measured>
}

/** The row of a part with this name. */
export const find = (results: Results, part: Part, name: string): Measured | undefined =>
  results.rows.find((row) => row.part === part && row.name === name)

/** One figure of every repetition. */
export const of = (row: Measured | undefined, figure: string): ReadonlyArray<number | undefined> =>
  (row?.repetitions ?? []).map(({ values }) => values[figure])

/** The per-repetition ratios of one figure of two rows. */
export const compare = (row: Measured | undefined, base: Measured | undefined, figure: string): Spread | undefined =>
  ratio(of(row, figure), of(base, figure))

/** A spread for people. */
export const range = (value: Spread | undefined): string =>
  value === undefined ? "-" : `${value.median.toFixed(2)} [${value.min.toFixed(2)}-${value.max.toFixed(2)}]`

/** The row that repeats the base, by its name. */
export const again = (base: string): string => `${base} (A/A)`

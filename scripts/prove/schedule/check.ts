/**
 * Holds the lines that the nodes wrote against the grid of instants that were due, and against the rows of the database.
 *
 * Pure. The grid is computed from the first instant and the interval alone, so a tick that no row mentions is missed too.
 */
import { everyMs, type Line, names, type Row } from "./model.ts"

/** What came of all ticks of a seed. */
export interface Verdict {
  /** Instants that were due. */
  readonly ticks: number
  /** Runs that began and ended, as the nodes wrote. */
  readonly done: number
  /** Runs that began and did not end: their process was killed, some between the record of the begin and the first step. */
  readonly cut: number
  /** Cut runs whose process nobody killed. */
  readonly cutUnexplained: ReadonlyArray<string>
  /** Instants without any run, and what their rows say. */
  readonly lost: ReadonlyArray<string>
  /** Instants with more than one run. */
  readonly double: ReadonlyArray<string>
  /** Runs of instants that were never due. */
  readonly stray: ReadonlyArray<string>
  /** Instants whose row is absent, not closed, or says something else of their work than its process, which nobody killed. */
  readonly misrecorded: ReadonlyArray<string>
}

/** Judges the first `perSchedule` instants of every schedule. */
export const check = (input: {
  readonly lines: ReadonlyArray<Line>
  readonly rows: ReadonlyArray<Row>
  /** Instant of the first tick of each schedule, as the database had it before any fault. */
  readonly first: ReadonlyMap<string, string>
  readonly perSchedule: number
  /** Processes that were killed, by name and by id. */
  readonly killed: { readonly names: ReadonlySet<string>; readonly pids: ReadonlySet<number> }
}): Verdict => {
  const begun = grouped(input.lines.filter(({ op }) => op === "begin"))
  const ended = grouped(input.lines.filter(({ op }) => op === "end"))
  const rows = grouped(input.rows)
  const due = names.flatMap((schedule) => grid(schedule, input.first.get(schedule), input.perSchedule))
  const wanted = new Set(due)
  const row = (key: string) => rows.get(key)?.[0]
  const hasBegun = (key: string) => begun.has(key) || row(key)?.begun === true
  const cut = due.filter((key) => hasBegun(key) && !ended.has(key))
  const isExplained = (key: string) =>
    (begun.get(key) ?? []).some(({ node }) => input.killed.names.has(node)) ||
    (row(key)?.pids ?? []).some((pid) => input.killed.pids.has(pid))
  const starts = new Map(Array.from(input.first, ([name, tick]) => [name, Date.parse(tick)]))
  return {
    ticks: due.length,
    done: due.filter((key) => ended.has(key)).length,
    cut: cut.length,
    cutUnexplained: cut.filter((key) => !isExplained(key)),
    lost: due.filter((key) => !hasBegun(key)).map((key) => `${key} (${said(row(key))})`),
    double: Array.from(begun).filter(([, lines]) => lines.length > 1).map(([key]) => key),
    stray: Array.from(begun.values()).flat()
      .filter((line) => !wanted.has(keyOf(line)) && !isLater(line, starts, input.perSchedule)).map(keyOf),
    misrecorded: due.filter((key) => {
      const outcome = row(key)?.outcome ?? null
      const isDone = outcome === "completed"
      return outcome === null || (isDone ? !ended.has(key) : ended.has(key) && !isExplained(key))
    })
  }
}

const said = (row: Row | undefined) =>
  row === undefined ? "no row" : `${row.outcome ?? "open"}${row.detail === null ? "" : `: ${row.detail}`}`

const keyOf = ({ schedule, tick }: { readonly schedule: string; readonly tick: string }) => `${schedule} ${tick}`

const grouped = <A extends { readonly schedule: string; readonly tick: string }>(
  all: ReadonlyArray<A>
): ReadonlyMap<string, ReadonlyArray<A>> => Map.groupBy(all, keyOf)

const grid = (schedule: string, first: string | undefined, count: number): ReadonlyArray<string> =>
  first === undefined
    ? []
    : Array.from(
      { length: count },
      (_, i) => keyOf({ schedule, tick: new Date(Date.parse(first) + i * everyMs).toISOString() })
    )

// the nodes go on after the last instant that is judged
const isLater = (line: Line, starts: ReadonlyMap<string, number>, count: number): boolean => {
  const steps = (Date.parse(line.tick) - (starts.get(line.schedule) ?? Number.NaN)) / everyMs
  return Number.isInteger(steps) && steps >= count
}

/**
 * Figures as tables in CSV, with a header.
 *
 * A text that a spreadsheet would take for a formula is led by an apostrophe, so names from a repository compute nothing.
 */
import * as DateTime from "effect/DateTime"
import type * as Effect from "effect/Effect"
import * as Csv from "effect/encoding/Csv"
import * as Stream from "effect/Stream"

/** What a cell may hold. */
export type Value = string | number | DateTime.DateTime | null | undefined

/** One row: a value for each column. */
export type Row = Readonly<Record<string, Value>>

/** A row with the members of `metrics` as columns `metric_<name>`. */
export const row = (columns: Row, metrics: Readonly<Record<string, number>>): Row => ({
  ...columns,
  ...Object.fromEntries(Object.entries(metrics).map(([name, value]) => [`metric_${name}`, value]))
})

/** The table. Columns are those of all rows, in the order in which they come; absent values are empty. */
export const csv = (rows: ReadonlyArray<Row>): Effect.Effect<string> => {
  const columns = Array.from(new Set(rows.flatMap((row) => Object.keys(row))))
  return Stream.fromIterable([columns, ...rows.map((row) => columns.map((column) => plain(row[column])))]).pipe(
    Stream.pipeThroughChannel(Csv.encodeString()),
    Stream.mkString
  )
}

const plain = (value: Value): string => {
  if (value === null || value === undefined) return ""
  if (typeof value === "number") return String(value)
  if (typeof value !== "string") return DateTime.formatIso(value)
  return /^[=+\-@\t\r]/.test(value) ? `'${value}` : value
}

/**
 * Tables as CSV: RFC 4180, with a header and lines that end with CR LF.
 *
 * A text that a spreadsheet would take for a formula is led by an apostrophe, so names from a repository compute nothing.
 */
import * as DateTime from "effect/DateTime"

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
export const text = (rows: ReadonlyArray<Row>): string => {
  const columns = Array.from(new Set(rows.flatMap((row) => Object.keys(row))))
  const lines = [columns, ...rows.map((row) => columns.map((column) => plain(row[column])))]
  return lines.map((cells) => `${cells.map(quoted).join(",")}\r\n`).join("")
}

const plain = (value: Value): string => {
  if (value === null || value === undefined) return ""
  if (typeof value === "number") return String(value)
  if (typeof value !== "string") return DateTime.formatIso(value)
  return /^[=+\-@\t\r]/.test(value) ? `'${value}` : value
}

const quoted = (cell: string): string => /[",\r\n]/.test(cell) ? `"${cell.replaceAll("\"", "\"\"")}"` : cell

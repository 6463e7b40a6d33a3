/**
 * Results on stdout: a table for people, JSON or one line of JSON an item for programs.
 *
 * Everything is escaped (`Printable`), and nothing is coloured. JSON is what the API gives for the same.
 */
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Printable from "./Printable.ts"

/** How results are printed. */
export type Format = "table" | "json" | "ndjson"

/** The flags of every command that prints results. */
export const flags = {
  output: Flag.Literals("output", ["table", "json", "ndjson"]).pipe(
    Flag.withAlias("o"),
    Flag.withDescription("How results are printed; ndjson is one line an item"),
    Flag.withDefault("table")
  ),
  json: Flag.Boolean("json").pipe(Flag.withDescription("The same as --output json"), Flag.withDefault(false))
} as const

/** What the flags ask for. */
export const formatOf = (options: { readonly output: Format; readonly json: boolean }): Format =>
  options.json && options.output === "table" ? "json" : options.output

/** What a table shows of an item, by the heads of its columns. */
export type Columns<A> = Readonly<Record<string, (item: A) => string>>

/** Makes what prints many items, as `items` in JSON. */
export const list = <A, I>(item: Schema.Codec<A, I>, columns: Columns<A>) => {
  const encode = Schema.encodeEffect(Schema.toCodecJson(item))
  return (format: Format, items: ReadonlyArray<A>, options?: {
    /** Whether the table has a line of heads. Defaults to `true`. */
    readonly head?: boolean | undefined
  }) =>
    Effect.gen(function*() {
      if (format === "table") return yield* lines(table(columns, items).slice(options?.head === false ? 1 : 0))
      const encoded = yield* Effect.orDie(Effect.forEach(items, (item) => encode(item)))
      if (format === "ndjson") return yield* lines(encoded.map(oneLine))
      return yield* Console.log(indented({ items: encoded }))
    })
}

/** Makes what prints one item: a line for each field, or JSON. */
export const one = <A, I>(item: Schema.Codec<A, I>, fields: Columns<A>) => {
  const encode = Schema.encodeEffect(Schema.toCodecJson(item))
  return (format: Format, value: A) =>
    Effect.gen(function*() {
      if (format === "table") return yield* lines(sheet(fields, value))
      const encoded = yield* Effect.orDie(encode(value))
      return yield* Console.log(format === "json" ? indented(encoded) : oneLine(encoded))
    })
}

const lines = (all: ReadonlyArray<string>) => all.length === 0 ? Effect.void : Console.log(all.join("\n"))

const oneLine = (json: Schema.Json) => escapedJson(JSON.stringify(json))

const indented = (json: Schema.Json) => JSON.stringify(json, null, 2).split("\n").map(escapedJson).join("\n")

// JSON escapes the oldest control characters itself; the others are escaped in the same way, so that it stays JSON
const escapedJson = (line: string) => Printable.escape(line)

const table = <A>(columns: Columns<A>, items: ReadonlyArray<A>): ReadonlyArray<string> => {
  const heads = Object.keys(columns)
  const rows = items.map((item) => heads.map((head) => Printable.escape(columns[head]?.(item) ?? "")))
  const widths = heads.map((head, n) => Math.max(head.length, ...rows.map((row) => row[n]?.length ?? 0)))
  const line = (cells: ReadonlyArray<string>) =>
    cells.map((cell, n) => cell.padEnd(widths[n] ?? 0)).join("  ").trimEnd()
  return [line(heads.map((head) => head.toUpperCase())), ...rows.map(line)]
}

const sheet = <A>(fields: Columns<A>, value: A): ReadonlyArray<string> => {
  const width = Math.max(...Object.keys(fields).map((name) => name.length))
  return Object.entries(fields).flatMap(([name, show]) => {
    const [first = "", ...rest] = show(value).split("\n")
    return [
      `${name.padEnd(width)}  ${Printable.escape(first)}`,
      ...rest.map((line) => `${" ".repeat(width)}  ${Printable.escape(line)}`)
    ]
      .map((line) => line.trimEnd())
  })
}

/** The tables of the suites about jobs: one for each part that has rows, a column for each figure. */
import { spread } from "../interleave.ts"
import { count, table } from "../table.ts"
import { compare, find, type Measured, of, type Part, range, type Results } from "./results.ts"

interface Column {
  readonly title: string
  readonly cell: (row: Measured, results: Results) => string
}

/** The median; figures without digits have their thousands apart. */
const median = (title: string, figure: string, digits = 0): Column => ({
  title,
  cell: (row) => {
    const found = spread(of(row, figure))?.median
    if (found === undefined) return "-"
    return digits === 0 ? count(found) : found.toFixed(digits)
  }
})

/** The median, then the least and the greatest. */
const speed = (title: string, figure: string): ReadonlyArray<Column> => [median(title, figure), {
  title: "min-max",
  cell: (row) => {
    const found = spread(of(row, figure))
    return found === undefined ? "-" : `${count(found.min)}-${count(found.max)}`
  }
}]

/** The ratio to the base of the row. */
const ratio = (figure: string): Column => ({
  title: "ratio to base [min-max]",
  cell: (row, results) => range(compare(row, find(results, row.part, row.base), figure))
})

/** Milliseconds per 1,000 jobs of one kind of statement. */
const perThousand = (title: string, kind: string): Column => ({
  title,
  cell: (row) =>
    spread(row.repetitions.map(({ values }) => {
      const ms = values[`${kind} ms`]
      const jobs = values[`${kind} rows`]
      return ms === undefined || !jobs ? undefined : ms / jobs * 1000
    }))?.median.toFixed(1) ?? "-"
})

const invalid: Column = {
  title: "invalid",
  cell: ({ repetitions }) => {
    const failures = repetitions.flatMap(({ failure }) => failure ?? [])
    const reasons = new Set(failures.map((failure) => failure.split("\n")[0] ?? ""))
    return failures.length === 0 ? "0" : `${failures.length}: ${[...reasons].join("; ")}`
  }
}

const milliseconds = [
  median("p50 ms", "p50", 2),
  median("p95", "p95", 2),
  median("p99", "p99", 2),
  median("max", "max", 1)
]

const drain: ReadonlyArray<Column> = [
  median("N", "jobs"),
  ...speed("jobs/s", "jobsPerSecond"),
  ratio("jobsPerSecond"),
  median("CPU-s/100k worker", "workerCpu", 2),
  median("server", "serverCpu", 2),
  median("RSS MB", "rssMb"),
  median("log B/job insert", "insertLog"),
  median("drain", "drainLog")
]

/** What each part shows, in the order of the report. */
const parts: ReadonlyArray<{ readonly part: Part; readonly title: string; readonly columns: ReadonlyArray<Column> }> = [
  { part: "drain", title: "drain", columns: drain },
  { part: "drain", title: "bulk insert", columns: [...speed("rows/s", "insertsPerSecond"), ratio("insertsPerSecond")] },
  {
    part: "enqueue",
    title: "enqueue",
    columns: [
      ...speed("one by one/s", "serialPerSecond"),
      ratio("serialPerSecond"),
      ...speed("64 callers/s", "callersPerSecond"),
      ratio("callersPerSecond"),
      median("CPU-s/100k producer", "producerCpu", 2),
      median("server", "serverCpu", 2)
    ]
  },
  {
    part: "unique",
    title: "bulk insert with unique keys",
    columns: [
      ...speed("plain rows/s", "plainPerSecond"),
      ...speed("unique rows/s", "uniquePerSecond"),
      median("time of unique to plain", "uniqueTime", 2)
    ]
  },
  {
    part: "latency",
    title: "enqueue to start",
    columns: [median("rate reached/s", "rate"), ...milliseconds]
  },
  {
    part: "log",
    title: "200 B of arguments",
    columns: [
      median("N", "jobs"),
      median("log B/job insert", "insertLog"),
      median("drain", "drainLog"),
      median("together", "log")
    ]
  },
  {
    part: "waiting",
    title: "claims of 100, ms",
    columns: [
      median("waiting", "jobs"),
      median("nothing else waits", "emptyMs", 2),
      median("all wait", "fullMs", 2),
      median("ratio", "fullTime", 2),
      median("RSS MB of a worker", "rssMb")
    ]
  },
  {
    part: "pinned",
    title: "claims of 100 beside an old snapshot, ms",
    columns: [
      median("nothing held", "freeMs", 2),
      median("old snapshot held", "heldMs", 2),
      median("ratio", "heldTime", 2),
      median("dead rows", "dead"),
      median("autovacuums", "vacuums")
    ]
  },
  {
    part: "idle",
    title: "idle worker process",
    columns: [
      median("statements/s", "queriesPerSecond", 2),
      median("CPU % worker", "workerCpuPercent", 1),
      median("server", "serverCpuPercent", 1)
    ]
  }
]

const statements = [perThousand("claim ms/1000", "claim"), perThousand("finish ms/1000", "finish")]

/** Every table that has a row, as Markdown. */
export const tables = (results: Results): ReadonlyArray<string> =>
  parts.flatMap(({ columns, part, title }) => {
    const shown = title === "drain" && results.suite === "jobs-shapes" ? [...columns, ...statements] : columns
    const all = [...shown, invalid]
    const isInsert = title === "bulk insert"
    const rows = results.rows.filter((row) => {
      if (row.part !== part) return false
      const inserts = of(row, "insertsPerSecond").some((value) => value !== undefined)
      const drains = of(row, "jobsPerSecond").some((value) => value !== undefined)
      if (isInsert) return inserts && !row.name.endsWith("2 processes")
      return part !== "drain" || drains || !inserts
    })
    return rows.length === 0
      ? []
      : [table(
        [title, ...all.map((column) => column.title)],
        rows.map((row) => [
          row.name,
          ...all.map(({ cell }) => cell(row, results))
        ])
      )]
  })

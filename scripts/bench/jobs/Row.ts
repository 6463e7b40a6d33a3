/** A row of a suite about jobs, and the run that measures all of them, interleaved, on one server of its own. */
import { benchSettings, type Server, startServer } from "../../postgres.ts"
import { interleave } from "../interleave.ts"
import { load, machine, versions } from "../machine.ts"
import { withConnection } from "../peers.ts"
import { type Figures, figures } from "./measure/Figures.ts"
import { killAll } from "./process.ts"
import type { Part, Results } from "./results.ts"

/** One row. */
export interface Row {
  readonly part: Part
  /** Unique within the part. */
  readonly name: string
  /** What it is, in one line. */
  readonly about: string
  /** The row of the same part that its ratios refer to. */
  readonly base: string
  /** Measured once, after the others: it repeats within itself, or hardly varies. Defaults to false. */
  readonly once?: boolean | undefined
  readonly measure: (server: Server) => Promise<Readonly<Record<string, number | undefined>>>
}

/** What a run may be told. */
export interface Options {
  /** Repetitions, at least 1; verdicts need 5 or more, odd. */
  readonly repetitions: number
  /** Sizes of a tenth: to see that everything works, not to compare. */
  readonly quick: boolean
  /** Only rows whose name, or `part/name`, starts with one of these; empty = all. */
  readonly only: ReadonlyArray<string>
  readonly say: (line: string) => void
}

const isChosen = ({ name, part }: Row, only: ReadonlyArray<string>) =>
  only.length === 0 || only.some((prefix) => name.startsWith(prefix) || `${part}/${name}`.startsWith(prefix))

const serverVersion = (server: Server) =>
  withConnection(server.url("postgres"), async (connection) => {
    const answer = await connection.query("show server_version")
    return String(answer.rows[0]?.["server_version"])
  })

const figure = (value: number) =>
  value >= 1000 ? Math.round(value).toLocaleString("en-US") : String(Number(value.toPrecision(3)))

const line = ({ name, part }: Row, { failure, load: before, values }: Figures): string =>
  `${`${part}/${name}`.padEnd(36)} ${
    failure === undefined
      ? Object.entries(values).map(([key, value]) => `${key} ${figure(value)}`).join("  ")
      : `FAILED: ${failure}`
  }  load ${before.toFixed(2)}`

/** Runs the rows on a server of their own, which is gone afterwards, whatever happens. */
export const runRows = async (
  suite: Results["suite"],
  rows: ReadonlyArray<Row>,
  peers: ReadonlyArray<string>,
  options: Options,
  /** Answers facts that hold, before anything is timed. */
  verify: (server: Server) => Promise<ReadonlyArray<string>> = () => Promise.resolve([])
): Promise<Results> => {
  const server = await startServer(benchSettings)
  const interrupted = () => {
    killAll()
    void server.stop().finally(() => process.exit(130))
  }
  process.once("SIGINT", interrupted)
  process.once("SIGTERM", interrupted)
  try {
    const started = new Date()
    const facts = await verify(server)
    const chosen = rows.filter((row) => isChosen(row, options.only))
    const measure = (repetitions: number) => async (row: Row, repetition: number) => {
      const found = await figures(load, () => row.measure(server))
      options.say(`${repetition + 1}/${repetitions} ${line(row, found)}`)
      return found
    }
    const { repetitions } = options
    const measured = [
      ...await interleave(chosen.filter(({ once }) => once !== true), repetitions, measure(repetitions)),
      ...await interleave(chosen.filter(({ once }) => once === true), 1, measure(1))
    ]
    return {
      suite,
      date: started.toISOString().slice(0, 10),
      minutes: (Date.now() - started.getTime()) / 60_000,
      quick: options.quick,
      repetitions,
      machine: machine(),
      versions: versions(peers, await serverVersion(server)),
      settings: benchSettings,
      facts,
      rows: measured.map(([{ about, base, name, part }, found]) => ({ part, name, about, base, repetitions: found }))
    }
  } finally {
    process.off("SIGINT", interrupted)
    process.off("SIGTERM", interrupted)
    killAll()
    await server.stop()
  }
}

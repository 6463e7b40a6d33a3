/**
 * `npm run bench -- SUITE [--reps N] [--json FILE] [--only PREFIX] [--quick] [--check] [--write]`.
 *
 * Exit codes: 0 measured, 1 a check or a run failed, 64 usage, 69 the peers are not installed.
 */
import { writeFileSync } from "node:fs"
import { parseArgs } from "node:util"
import { report as reportJobs, type Results as Jobs } from "./jobs/results.ts"
import { runJobs } from "./jobs/suite.ts"
import { missing } from "./peers.ts"
import { report as reportPool, type Results as Pool, targets } from "./pool/results.ts"
import { runPool } from "./pool/suite.ts"
import { publish } from "./publish.ts"
import { missed, type Target } from "./targets.ts"

interface Options {
  readonly repetitions: number
  readonly quick: boolean
  readonly only: ReadonlyArray<string>
  readonly say: (line: string) => void
}

/** What a run of a suite leaves: raw results, the table, what failed, and its promises. */
interface Found {
  readonly results: Jobs | Pool
  readonly table: string
  readonly failures: ReadonlyArray<string | undefined>
  readonly targets: ReadonlyArray<Target>
}

const failuresOf = (results: Jobs | Pool) =>
  results.rows.flatMap((row) => row.repetitions.map(({ failure }) => failure))

const suites: Readonly<
  Record<string, {
    readonly peers: ReadonlyArray<string>
    /** Whether `--check` measures at full size: a tenth says nothing about its promises. */
    readonly isCheckedWhole: boolean
    readonly run: (options: Options) => Promise<Found>
  }>
> = {
  jobs: {
    peers: ["graphile-worker", "pg", "pg-boss"],
    isCheckedWhole: false,
    run: async (options) => {
      const results = await runJobs(options)
      return { results, table: reportJobs(results), failures: failuresOf(results), targets: [] }
    }
  },
  pool: {
    peers: ["fastq", "p-limit"],
    isCheckedWhole: true,
    run: async (options) => {
      const results = await runPool(options)
      return { results, table: reportPool(results), failures: failuresOf(results), targets: targets(results) }
    }
  }
}

const stop = (code: number, message: string): never => {
  console.error(message)
  process.exit(code)
}

const read = () => {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        reps: { type: "string", default: "5" },
        json: { type: "string" },
        only: { type: "string", multiple: true, default: [] },
        quick: { type: "boolean", default: false },
        check: { type: "boolean", default: false },
        write: { type: "boolean", default: false }
      }
    })
  } catch (error) {
    return stop(64, error instanceof Error ? error.message : String(error))
  }
}

const { positionals, values } = read()
const name = positionals.length === 1 ? positionals[0] ?? "" : ""
const suite = suites[name] ??
  stop(64, `unknown suite ${positionals.join(" ") || "(none)"}; suites: ${Object.keys(suites).join(", ")}`)
const repetitions = Number(values.reps)
if (!Number.isInteger(repetitions) || repetitions < 1) stop(64, `--reps ${values.reps}: give a whole number from 1 on`)
const absentPeers = missing(suite.peers)
if (absentPeers.length > 0) {
  stop(
    69,
    `these peers are not installed at their pinned version: ${absentPeers.join(", ")}\nnpm ci --prefix scripts/bench`
  )
}

const { failures, results, table, targets: promises } = await suite.run({
  repetitions: values.check ? 1 : repetitions,
  quick: values.quick || (values.check && !suite.isCheckedWhole),
  only: values.only,
  say: (line) => console.log(line)
})
if (values.json !== undefined) {
  writeFileSync(values.json, `${JSON.stringify({ ...results, targets: promises }, null, 2)}\n`)
}
if (values.write) publish(results, table)
console.log(`\n${table}`)
const broken = failures.some((failure) => failure !== undefined && !failure.startsWith("not run:"))
const unkept = missed(promises)
for (const line of unkept) console.log(line)
process.exitCode = broken || (values.check && unkept.length > 0) ? 1 : 0

/**
 * `npm run bench -- SUITE [--reps N] [--json FILE] [--only PREFIX] [--quick] [--check] [--write]`.
 *
 * Exit codes: 0 measured, 1 a check or a run failed, 64 usage, 69 the peers are not installed.
 */
import { writeFileSync } from "node:fs"
import { parseArgs } from "node:util"
import { report } from "./jobs/results.ts"
import { runJobs } from "./jobs/suite.ts"
import { missing } from "./peers.ts"
import { publish } from "./publish.ts"
import * as threads from "./threads/results.ts"
import { runThreads } from "./threads/suite.ts"

interface Options {
  readonly repetitions: number
  readonly quick: boolean
  readonly only: ReadonlyArray<string>
  readonly say: (line: string) => void
}

/** What a suite gives: its raw results, the text that people read, and whether something broke or a goal was missed. */
interface Finished {
  readonly results: { readonly suite: string }
  readonly text: string
  readonly isBroken: boolean
  readonly missed: ReadonlyArray<string>
}

const jobs = async (options: Options): Promise<Finished> => {
  const results = await runJobs(options)
  const absent = (failure: string | undefined) => failure?.startsWith("not run:") === true
  const isBroken = results.rows.flatMap(({ repetitions: all }) => all).some(({ failure }) =>
    failure !== undefined && !absent(failure)
  )
  return { results, text: report(results), isBroken, missed: [] }
}

const pools = async (options: Options): Promise<Finished> => {
  const results = await runThreads(options)
  const isBroken = results.measured.some(({ repetitions: all }) => all.includes(null))
  return { results, text: threads.report(results), isBroken, missed: threads.missed(results) }
}

const suites: Readonly<Record<string, (options: Options) => Promise<Finished>>> = { jobs, threads: pools }

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
const run = suites[positionals.join(" ")] ??
  stop(64, `unknown suite ${positionals.join(" ") || "(none)"}; suites: ${Object.keys(suites).join(", ")}`)
const repetitions = Number(values.reps)
if (!Number.isInteger(repetitions) || repetitions < 1) stop(64, `--reps ${values.reps}: give a whole number from 1 on`)
if (missing().length > 0) {
  stop(
    69,
    `these peers are not installed at their pinned version: ${missing().join(", ")}\nnpm ci --prefix scripts/bench`
  )
}

const { isBroken, missed, results, text } = await run({
  repetitions: values.check ? 1 : repetitions,
  quick: values.quick || values.check,
  only: values.only,
  say: (line) => console.log(line)
})
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(results, null, 2)}\n`)
if (values.write) publish(results, text)
console.log(`\n${text}`)
process.exitCode = isBroken || (values.check && missed.length > 0) ? 1 : 0

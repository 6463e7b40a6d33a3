/**
 * `npm run bench -- SUITE [--reps N] [--json FILE] [--only PREFIX] [--quick] [--check] [--write]`.
 *
 * Exit codes: 0 measured, 1 a check or a run failed, 64 usage, 69 the peers are not installed.
 */
import { writeFileSync } from "node:fs"
import { parseArgs } from "node:util"
import * as InsightsResults from "./insights/results.ts"
import { runInsights } from "./insights/suite.ts"
import { report } from "./jobs/results.ts"
import { runJobs } from "./jobs/suite.ts"
import { missing } from "./peers.ts"
import { publish } from "./publish.ts"

const suites = ["insights", "jobs"]

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
const suite = positionals[0]
if (suite === undefined || positionals.length !== 1 || !suites.includes(suite)) {
  stop(64, `unknown suite ${positionals.join(" ") || "(none)"}; suites: ${suites.join(", ")}`)
}
const repetitions = Number(values.reps)
if (!Number.isInteger(repetitions) || repetitions < 1) stop(64, `--reps ${values.reps}: give a whole number from 1 on`)

if (suite === "insights") {
  const results = await runInsights({
    repetitions: values.check || values.quick ? 1 : repetitions,
    say: (line) => console.log(line)
  })
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(results.rows, null, 2)}\n`)
  const text = InsightsResults.report(results)
  if (values.write) publish("insights", results, text)
  console.log(`\n${text}`)
  const missed = InsightsResults.missed(results)
  for (const line of missed) console.error(line)
  process.exit(values.check && missed.length > 0 ? 1 : 0)
}

if (missing().length > 0) {
  stop(
    69,
    `these peers are not installed at their pinned version: ${missing().join(", ")}\nnpm ci --prefix scripts/bench`
  )
}

const results = await runJobs({
  repetitions: values.check ? 1 : repetitions,
  quick: values.quick || values.check,
  only: values.only,
  say: (line) => console.log(line)
})
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(results, null, 2)}\n`)
if (values.write) publish("jobs", results, report(results))
console.log(`\n${report(results)}`)
const absent = (failure: string | undefined) => failure?.startsWith("not run:") === true
const broken = results.rows.flatMap(({ repetitions: all }) => all).some(({ failure }) =>
  failure !== undefined && !absent(failure)
)
process.exitCode = broken ? 1 : 0

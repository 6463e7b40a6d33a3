/**
 * `npm run bench -- SUITE [--reps N] [--json FILE] [--only PREFIX] [--quick] [--check] [--write]`.
 *
 * Exit codes: 0 measured, 1 a check or a run failed, 64 usage, 69 the peers are not installed.
 */
import { writeFileSync } from "node:fs"
import { parseArgs } from "node:util"
import { missing } from "./peers.ts"
import { publish } from "./publish.ts"
import { suites } from "./suites.ts"

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
const suite = suites[positionals.join(" ")] ??
  stop(64, `unknown suite ${positionals.join(" ") || "(none)"}; suites: ${Object.keys(suites).join(", ")}`)
const repetitions = Number(values.reps)
if (!Number.isInteger(repetitions) || repetitions < 1) stop(64, `--reps ${values.reps}: give a whole number from 1 on`)
const absent = missing(suite.peers)
if (absent.length > 0) {
  stop(
    69,
    `these peers are not installed at their pinned version: ${absent.join(", ")}\nnpm ci --prefix scripts/bench`
  )
}

const { failures, missed, results, text } = await suite.run({
  repetitions: values.check ? 1 : repetitions,
  quick: values.quick || (values.check && suite.isCheckedWhole !== true),
  only: values.only,
  say: (line) => console.log(line)
})
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(results, null, 2)}\n`)
if (values.write) publish(results, text)
console.log(`\n${text}`)
const broken = failures.filter((failure) => !failure.startsWith("not run:"))
for (const line of [...broken, ...missed]) console.log(line)
process.exitCode = broken.length > 0 || (values.check && missed.length > 0) ? 1 : 0

/**
 * `npm run prove -- SUITE [--seed N] [--seeds N] [--check] [--json FILE]`, and what a suite takes besides.
 *
 * Exit codes: 0 proven, 1 a promise was broken or (with `--check`) not everything was really shown, 64 usage, 69 something
 * that the suite needs is not there.
 */
import { writeFileSync } from "node:fs"
import { parseArgs } from "node:util"
import { chaos } from "./jobs/chaos/command.ts"
import { jobs } from "./jobs/command.ts"
import { schedule } from "./schedule/command.ts"

const stop = (message: string): never => {
  console.error(message)
  process.exit(64)
}

const read = () => {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        seed: { type: "string" },
        seeds: { type: "string", default: "1" },
        ticks: { type: "string", default: "1000" },
        squall: { type: "boolean", default: false },
        storm: { type: "boolean", default: false },
        chaos: { type: "boolean", default: false },
        check: { type: "boolean", default: false },
        json: { type: "string" }
      }
    })
  } catch (error) {
    return stop(error instanceof Error ? error.message : String(error))
  }
}

const { positionals: [suite, ...rest], values } = read()
if (suite === undefined || rest.length > 0 || (suite !== "schedule" && suite !== "jobs")) {
  stop(`unknown suite ${[suite, ...rest].join(" ") || "(none)"}; suites: schedule, jobs`)
}
const whole = (name: string, text: string) => {
  const value = Number(text)
  return Number.isSafeInteger(value) && value >= 1 ? value : stop(`--${name} ${text}: give a whole number from 1 on`)
}
// a seed that nobody gave: `new` takes one that was not there before, and it is printed
const from = values.seed === "new" ? Date.now() % 1_000_000 + 1 : whole("seed", values.seed ?? "1")
const seeds = Array.from({ length: whole("seeds", values.seeds) }, (_, n) => from + n)
const ticks = whole("ticks", values.ticks)
if ([values.squall, values.storm, values.chaos].filter(Boolean).length > 1) {
  stop("give one of --squall, --storm and --chaos")
}
if (suite === "schedule" && (values.squall || values.storm || values.chaos)) {
  stop("--squall, --storm and --chaos belong to the suite jobs")
}

const { exported, isShown } = await (suite === "schedule"
  ? schedule({ seeds, ticks, check: values.check })
  : values.chaos
  ? chaos()
  : jobs({ seeds, scale: values.storm ? 10 : 1, check: values.check }))
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(exported, null, 2)}\n`)
process.exitCode = isShown ? 0 : 1

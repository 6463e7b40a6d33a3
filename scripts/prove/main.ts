/**
 * `npm run prove -- SUITE [--seed N] [--seeds N] [--ticks N] [--check] [--json FILE]`.
 *
 * Exit codes: 0 proven, 1 a promise was broken or (with `--check`) not everything was really shown, 64 usage.
 */
import { writeFileSync } from "node:fs"
import { parseArgs } from "node:util"
import { table } from "../bench/table.ts"
import { type Proof, prove } from "./schedule/suite.ts"

const stop = (message: string): never => {
  console.error(message)
  process.exit(64)
}

const read = () => {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        seed: { type: "string", default: "1" },
        seeds: { type: "string", default: "1" },
        ticks: { type: "string", default: "1000" },
        check: { type: "boolean", default: false },
        json: { type: "string" }
      }
    })
  } catch (error) {
    return stop(error instanceof Error ? error.message : String(error))
  }
}

const { positionals, values } = read()
if (positionals.length !== 1 || positionals[0] !== "schedule") {
  stop(`unknown suite ${positionals.join(" ") || "(none)"}; suites: schedule`)
}
const whole = (name: "seed" | "seeds" | "ticks") => {
  const value = Number(values[name])
  return Number.isInteger(value) && value >= 1
    ? value
    : stop(`--${name} ${values[name]}: give a whole number from 1 on`)
}
const from = whole("seed")
const ticks = whole("ticks")

const row = ({ faults, ok, seconds, seed, verdict }: Proof): ReadonlyArray<string> => [
  String(seed),
  ...[faults.kills, faults.pauses, faults.restarts].map(String),
  ...[verdict.ticks, verdict.done, verdict.cut, verdict.lost.length, verdict.double.length].map(String),
  `${seconds.toFixed(0)} s`,
  ok ? "yes" : "NO"
]

const proofs: Array<Proof> = []
for (let seed = from; seed < from + whole("seeds"); seed++) {
  console.log(`seed ${seed}: three nodes, ${ticks} ticks`)
  const proof = await prove({ seed, ticks, say: (line) => console.log(line) })
  proofs.push(proof)
  const { cutUnexplained, double, lost, misrecorded, stray } = proof.verdict
  for (
    const [what, keys] of Object.entries({ lost, double, stray, misrecorded, "cut, but not killed": cutUnexplained })
  ) {
    if (keys.length > 0) console.log(`  ${what}: ${keys.slice(0, 10).join(", ")}${keys.length > 10 ? ", ..." : ""}`)
  }
  if (proof.selfEnded.length > 0) console.log(`  nodes that ended by themselves: ${proof.selfEnded.join(", ")}`)
  console.log(`  nodes told to stop: ${proof.stopped.join(", ")}`)
}
console.log(`\n${
  table(
    ["seed", "kills", "pauses", "restarts", "ticks", "done", "cut by a kill", "lost", "double", "time", "ok"],
    proofs.map(row)
  )
}`)
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(proofs.map(exported), null, 2)}\n`)
const isShown = ({ faults, ok, verdict }: Proof) =>
  ok && (!values.check || (verdict.ticks >= ticks && faults.kills > 0 && faults.restarts > 0))
for (const proof of proofs.filter((one) => !isShown(one))) console.log(`seed ${proof.seed}: not shown`)
process.exitCode = proofs.every(isShown) ? 0 : 1

function exported({ faults, ok, seed, selfEnded, verdict }: Proof) {
  return {
    seed,
    faults: { ...faults, selfEnded: selfEnded.length },
    acked: verdict.ticks,
    done: verdict.done,
    cut: verdict.cut,
    lost: verdict.lost.length,
    duplicates: { explained: 0, unexplained: verdict.double.length },
    effects: verdict.done + verdict.cut,
    ok
  }
}

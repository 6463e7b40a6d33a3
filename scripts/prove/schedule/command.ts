/** The suite `schedule` as a command: runs the seeds, prints what came of them, and judges. */
import { table } from "../../bench/table.ts"
import type { Shown } from "../shown.ts"
import { type Proof, prove } from "./suite.ts"

/** Runs seeds one after the other. */
export const schedule = async (options: {
  readonly seeds: ReadonlyArray<number>
  readonly ticks: number
  readonly check: boolean
}): Promise<Shown> => {
  const { check, seeds, ticks } = options
  const proofs: Array<Proof> = []
  for (const seed of seeds) {
    console.log(`seed ${seed}: three nodes, ${ticks} ticks`)
    const proof = await prove({ seed, ticks, say: (line) => console.log(line) })
    proofs.push(proof)
    complain(proof)
  }
  console.log(`\n${
    table(
      ["seed", "kills", "pauses", "restarts", "ticks", "done", "cut by a kill", "lost", "double", "time", "ok"],
      proofs.map(row)
    )
  }`)
  const isShown = ({ faults, ok, verdict }: Proof) =>
    ok && (!check || (verdict.ticks >= ticks && faults.kills > 0 && faults.restarts > 0))
  for (const proof of proofs.filter((one) => !isShown(one))) console.log(`seed ${proof.seed}: not shown`)
  return { isShown: proofs.every(isShown), exported: proofs.map(exported) }
}

const complain = ({ selfEnded, stopped, verdict }: Proof) => {
  const { cutUnexplained, double, lost, misrecorded, stray } = verdict
  for (
    const [what, keys] of Object.entries({ lost, double, stray, misrecorded, "cut, but not killed": cutUnexplained })
  ) {
    if (keys.length > 0) console.log(`  ${what}: ${keys.slice(0, 10).join(", ")}${keys.length > 10 ? ", ..." : ""}`)
  }
  if (selfEnded.length > 0) console.log(`  nodes that ended by themselves: ${selfEnded.join(", ")}`)
  console.log(`  nodes told to stop: ${stopped.join(", ")}`)
}

const row = ({ faults, ok, seconds, seed, verdict }: Proof): ReadonlyArray<string> => [
  String(seed),
  ...[faults.kills, faults.pauses, faults.restarts].map(String),
  ...[verdict.ticks, verdict.done, verdict.cut, verdict.lost.length, verdict.double.length].map(String),
  `${seconds.toFixed(0)} s`,
  ok ? "yes" : "NO"
]

const exported = ({ faults, ok, seed, selfEnded, verdict }: Proof) => ({
  seed,
  faults: { ...faults, selfEnded: selfEnded.length },
  acked: verdict.ticks,
  done: verdict.done,
  cut: verdict.cut,
  lost: verdict.lost.length,
  duplicates: { explained: 0, unexplained: verdict.double.length },
  effects: verdict.done + verdict.cut,
  ok
})

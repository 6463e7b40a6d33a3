/**
 * The suite `jobs` as a command: runs the seeds, prints what came of them, and judges. Without `check` only what must hold on
 * any machine decides: nothing lost, nothing done twice in a transaction, no late write. With it, times and causes too.
 */
import { count, table } from "../../bench/table.ts"
import type { Shown } from "../shown.ts"
import { isSafe } from "./check.ts"
import { columns, complaints, exported, isOk, isWhole, type Proof, row, told } from "./report.ts"
import { prove, squallJobs } from "./suite.ts"

/** Runs seeds one after the other: squalls, or storms of ten times the jobs and faults. */
export const jobs = async (options: {
  readonly seeds: ReadonlyArray<number>
  /** 1: a squall; 10: a storm. */
  readonly scale: number
  readonly check: boolean
}): Promise<Shown> => {
  const { check, scale, seeds } = options
  const isShown = (proof: Proof) => check ? isOk(proof) && isWhole(proof) : isSafe(proof.verdict)
  const proofs: Array<Proof> = []
  for (const seed of seeds) {
    console.log(`seed ${seed}: four workers, two producers, ${count(squallJobs * scale)} jobs`)
    const proof = await prove({ seed, scale, say: (line) => console.log(line) })
    proofs.push(proof)
    console.log(`\n${told(proof)}\n`)
    for (const line of complaints(proof)) console.log(`  ${line}`)
    if (!isOk(proof) || !isWhole(proof)) console.log(`seed ${seed}: not all of it was shown`)
  }
  if (proofs.length > 1) console.log(`\n${table(columns, proofs.map(row))}`)
  return { isShown: proofs.every(isShown), exported: proofs.map(exported) }
}

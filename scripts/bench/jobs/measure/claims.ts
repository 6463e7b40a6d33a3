/**
 * Timed claims of two places that take turns, so that both meet the same machine.
 *
 * A round puts 100 jobs in, claims 100, which is timed, and completes them.
 */
import { spread } from "../../interleave.ts"
import type { Worker } from "../process.ts"

const batch = 100
const roundsOfTurn = 40

const claims = async (worker: Worker): Promise<ReadonlyArray<number>> => {
  const answer = worker.next("claims", 60_000)
  worker.send({ tag: "claims", rounds: roundsOfTurn, batch })
  return (await answer).ms
}

/** The median. */
export const middle = (values: ReadonlyArray<number>): number => spread(values)?.median ?? Number.NaN

/** Milliseconds of each claim, by turn. A first turn of both, which warms the processes up, is not among them. */
export const inTurns = async (turns: number, one: Worker, another: Worker) => {
  const found = { one: Array<ReadonlyArray<number>>(), another: Array<ReadonlyArray<number>>() }
  for (let turn = 0; turn <= turns; turn++) {
    for (const which of turn % 2 === 0 ? ["one", "another"] as const : ["another", "one"] as const) {
      const ms = await claims(which === "one" ? one : another)
      if (turn > 0) found[which].push(ms)
    }
  }
  return found
}

/**
 * Ids that callers make: milliseconds << 20 | sequence, as those of the stores, with bit 19 set, which stores leave clear.
 */
import { createHash, randomInt } from "node:crypto"
import { JobId } from "../../Job.ts"

const own = 1 << 19

let last = { millis: 0, sequence: 0 }

/** Ids of one process sort in the order in which they were made, unless its clock goes back. */
export const next = (millis: number): JobId => {
  const at = Math.max(1, Math.floor(millis))
  last = at === last.millis
    ? { millis: at, sequence: (last.sequence + 1) % own }
    : { millis: at, sequence: randomInt(own) }
  return make(BigInt(at), last.sequence)
}

/** Spread over the four seconds before the instant, so that what is made of one instant does not meet. */
export const derived = (name: string, millis: number): JobId => {
  const digest = createHash("sha256").update(`${millis} ${name}`).digest()
  const at = Math.max(1, Math.floor(millis) - digest.readUInt32BE(0) % 4096)
  return make(BigInt(at), digest.readUInt32BE(4) % own)
}

const make = (millis: bigint, sequence: number) => JobId.make(String((millis << 20n) | BigInt(own | sequence)))

/**
 * `npm run prove -- jobs`: four workers, two producers, 10,000 jobs, one Postgres, and faults all the while.
 *
 * Proves that no acknowledged job is lost, that each runs again only for a cause, that effects which commit with their
 * completion are there exactly once, and that jobs of dead workers are taken back in time.
 */
import { deal } from "./nemesis.ts"
import { faults, producers, proxied, squallMs, workers } from "./plan.ts"
import { isOk, type Proof } from "./report.ts"
import { withRig } from "./rig.ts"

/** Jobs of a squall. */
export const squallJobs = 10_000

/** Runs one seed. */
export const prove = async (options: {
  readonly seed: number
  /** 1: a squall; 10: a storm. */
  readonly scale: number
  readonly say: (line: string) => void
}): Promise<Proof> => {
  const { say, scale, seed } = options
  const setting = {
    seed,
    workers,
    producers,
    proxied,
    jobs: squallJobs * scale,
    // a little before the last fault, so that all of them meet work
    ms: squallMs * scale * 0.95,
    hasPoison: true
  }
  const outcome = await withRig(
    setting,
    async (rig) => {
      await rig.begun()
      const deeds = await deal(faults(seed, scale), rig, say)
      return { given: deeds.hits, dealt: deeds }
    },
    (outcome) => isOk(proofOf(outcome, seed, scale)),
    say
  )
  return proofOf(outcome, seed, scale)
}

const proofOf = (
  { given, ...rest }: Awaited<ReturnType<typeof withRig<Proof["faults"]>>>,
  seed: number,
  scale: number
): Proof => ({ seed, scale, faults: given, ...rest })

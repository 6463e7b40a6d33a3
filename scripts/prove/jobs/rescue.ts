/**
 * How long jobs waited that had to be taken back: from what was done to their worker until the next one had them.
 *
 * Pure. All instants are of one machine, whose clock the database and the suite share.
 */
import type { Life } from "../processes.ts"
import { type Dealt, lossOf, overlap } from "./causes.ts"
import type { LineOf } from "./model.ts"

/** Milliseconds of the rescued jobs. */
export interface Rescues {
  /** Their process died, its connections closed with it, and the server had not been restarted within ten seconds. */
  readonly eligible: ReadonlyArray<number>
  /** Their process was stopped, cut off, or died around a restart of the server. */
  readonly others: ReadonlyArray<number>
}

/** Highest allowed percentile 99 of each, in milliseconds. */
export const bounds = { eligible: 8000, others: 35_000 } as const

/** The claims of one job, in the order of their epochs, and what became of it. */
export interface Held {
  readonly claims: ReadonlyArray<LineOf<"claim">>
  readonly finishes: ReadonlyArray<LineOf<"finish">>
}

const restartShadowMs = 10_000

/** All rescues of a history. */
export const rescues = (
  jobs: ReadonlyArray<Held>,
  lives: ReadonlyMap<string, Life>,
  dealt: Dealt
): Rescues => {
  const eligible: Array<number> = []
  const others: Array<number> = []
  for (const { claims, finishes } of jobs) {
    claims.forEach((claim, n) => {
      const next = claims[n + 1]
      const life = lives.get(claim.proc)
      const isEnded = finishes.some(({ accepted, epoch }) => accepted && epoch === claim.epoch)
      if (next === undefined || life === undefined || isEnded) return
      const loss = lossOf(life, dealt, { from: claim.at, until: next.at })
      if (loss === undefined) return
      const isDeath = loss.cause === "kill" || loss.cause === "poison"
      const span = { from: loss.at, until: next.at }
      const isNear = dealt.restarts.some((one) => overlap({ from: one.from, until: one.until + restartShadowMs }, span))
      const isHeld = dealt.holes.some((hole) => hole.place === life.place && overlap(hole, span))
      ;(isDeath && !isNear && !isHeld ? eligible : others).push(next.at - loss.at)
    })
  }
  return { eligible, others }
}

/** By the nearest rank; 0 of none. */
export const percentile = (all: ReadonlyArray<number>, p: number): number =>
  all.toSorted((a, b) => a - b)[Math.max(0, Math.ceil(all.length * p / 100) - 1)] ?? 0

/** What a seed gave, for people and for programs. */
import { count, table } from "../../bench/table.ts"
import { isGraceful } from "../processes.ts"
import { isKept, type Verdict } from "./check.ts"
import { counts, type FaultKind } from "./plan.ts"
import { bounds, percentile } from "./rescue.ts"
import type { Outcome } from "./rig.ts"

/** What one seed gave. */
export interface Proof extends Omit<Outcome<never>, "given"> {
  readonly seed: number
  readonly scale: number
  readonly faults: Readonly<Record<FaultKind, number>>
}

const rescued = ({ rescues }: Verdict) => ({
  eligible: { p50: percentile(rescues.eligible, 50), p99: percentile(rescues.eligible, 99) },
  others: { p50: percentile(rescues.others, 50), p99: percentile(rescues.others, 99) }
})

/** Whether every promise was kept, in time. */
export const isOk = ({ selfEnded, stopped, verdict }: Proof): boolean => {
  const { eligible, others } = rescued(verdict)
  return isKept(verdict) && eligible.p99 <= bounds.eligible && others.p99 <= bounds.others &&
    stopped.every(isGraceful) && selfEnded.length === 0
}

/** Whether everything that is promised was really put to the test. */
export const isWhole = ({ faults, scale, verdict }: Proof): boolean =>
  verdict.acked >= 10_000 * scale && verdict.rescues.eligible.length > 0 && verdict.rescues.others.length > 0 &&
  verdict.fenced > 0 && verdict.deaths > 0 &&
  (["kill", "stop", "restart", "terminate", "hole"] as const).every((kind) =>
    faults[kind] >= counts[kind] * scale * 0.8
  )

const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`

/** One line a thing that is counted. */
export const told = (proof: Proof): string => {
  const { faults, verdict } = proof
  const { eligible, others } = rescued(verdict)
  const duplicates = Object.values(verdict.explained).reduce((sum, n) => sum + n, 0)
  const rows: ReadonlyArray<readonly [string, string]> = [
    ["faults", Object.entries(faults).map(([kind, n]) => `${n} ${kind}`).join(", ")],
    ["acknowledged", count(verdict.acked)],
    ["completed", count(verdict.done)],
    ["discarded", count(verdict.discarded)],
    ["lost", count(verdict.lost.length)],
    ["not ended", count(verdict.live.length)],
    ["starts", count(verdict.starts)],
    [
      "started again, explained",
      `${count(duplicates)} (${Object.entries(verdict.explained).map(([cause, n]) => `${n} ${cause}`).join(", ")})`
    ],
    ["started again, unexplained", count(verdict.unexplained.length)],
    ["late writes, refused", count(verdict.fenced)],
    ["late writes, not refused", count(verdict.unfenced.length)],
    ["effects of transactional jobs", `${count(verdict.effects)} of ${count(verdict.transactional)}`],
    ["processes that one job ended, at most", count(verdict.deaths)],
    ["good jobs discarded, killed or cut off while they ran alone", count(verdict.unlucky)],
    [
      `rescue after a kill (${verdict.rescues.eligible.length} jobs), p50, p99`,
      `${seconds(eligible.p50)}, ${seconds(eligible.p99)}`
    ],
    [
      `other rescues (${verdict.rescues.others.length} jobs), p50, p99`,
      `${seconds(others.p50)}, ${seconds(others.p99)}`
    ],
    ["time", `${proof.seconds.toFixed(0)} s`]
  ]
  return table(["", "seed " + proof.seed], rows)
}

/** What is wrong, with at most ten examples of each. */
export const complaints = ({ selfEnded, stopped, verdict }: Proof): ReadonlyArray<string> => {
  const { eligible, others } = rescued(verdict)
  const lists = Object.entries({
    lost: verdict.lost,
    "not ended": verdict.live,
    "there though nobody asked, or it was undone": verdict.ghosts,
    "there twice": verdict.twice,
    "started again, unexplained": verdict.unexplained,
    "late writes, not refused": verdict.unfenced,
    "effects": verdict.wrongEffects,
    "completed, and nobody did it": verdict.unworked,
    "misjudged": verdict.misjudged
  })
  return [
    ...lists.filter(([, all]) => all.length > 0).map(([what, all]) =>
      `${what}: ${all.slice(0, 10).join("; ")}${all.length > 10 ? `; and ${all.length - 10} more` : ""}`
    ),
    ...(eligible.p99 > bounds.eligible ? [`rescue after a kill took ${seconds(eligible.p99)} (p99)`] : []),
    ...(others.p99 > bounds.others ? [`other rescues took ${seconds(others.p99)} (p99)`] : []),
    ...(selfEnded.length > 0 ? [`processes ended by themselves: ${selfEnded.join(", ")}`] : []),
    ...(stopped.every(isGraceful) ? [] : [`processes that were told to stop ended with ${stopped.join(", ")}`])
  ]
}

/** The columns of the table of all seeds. */
export const columns = [
  "seed",
  "kills",
  "stops",
  "restarts",
  "acked",
  "done",
  "discarded",
  "lost",
  "again, explained",
  "unexplained",
  "fenced",
  "effects of jobs",
  "rescue p50, p99",
  "others p50, p99",
  "time",
  "ok"
]

/** A seed in the table of all. */
export const row = (proof: Proof): ReadonlyArray<string> => {
  const { faults, verdict } = proof
  const { eligible, others } = rescued(verdict)
  return [
    String(proof.seed),
    String(faults.kill),
    String(faults.stop),
    String(faults.restart),
    count(verdict.acked),
    count(verdict.done),
    count(verdict.discarded),
    String(verdict.lost.length),
    count(Object.values(verdict.explained).reduce((sum, n) => sum + n, 0)),
    String(verdict.unexplained.length),
    String(verdict.fenced),
    `${count(verdict.effects)} of ${count(verdict.transactional)}`,
    `${seconds(eligible.p50)}, ${seconds(eligible.p99)}`,
    `${seconds(others.p50)}, ${seconds(others.p99)}`,
    `${proof.seconds.toFixed(0)} s`,
    isOk(proof) ? "yes" : "NO"
  ]
}

/** For `--json`. */
export const exported = (proof: Proof) => {
  const { faults, seed, verdict } = proof
  const { eligible, others } = rescued(verdict)
  return {
    seed,
    faults,
    acked: verdict.acked,
    done: verdict.done,
    discarded: verdict.discarded,
    unlucky: verdict.unlucky,
    lost: verdict.lost.length,
    duplicates: {
      explained: Object.values(verdict.explained).reduce((sum, n) => sum + n, 0),
      unexplained: verdict.unexplained.length
    },
    fenced: verdict.fenced,
    effects: verdict.effects,
    transactional: verdict.transactional,
    rescue: {
      eligible: { jobs: verdict.rescues.eligible.length, p50Ms: eligible.p50, p99Ms: eligible.p99 },
      others: { jobs: verdict.rescues.others.length, p50Ms: others.p50, p99Ms: others.p99 }
    },
    ok: isOk(proof)
  }
}

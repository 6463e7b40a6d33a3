/** `npm run prove -- jobs --chaos`: every scenario after the other, and how many of the jobs came through it. */
import { count, table } from "../../../bench/table.ts"
import { isGraceful } from "../../processes.ts"
import type { Shown } from "../../shown.ts"
import { isKept } from "../check.ts"
import { type Outcome, withRig } from "../rig.ts"
import { harmMs, type Scenario, scenarios } from "./scenarios.ts"

const workers = ["worker-0", "worker-1"]
const producers = ["producer-0"]
const jobs = 2000

interface Result {
  readonly scenario: Scenario
  readonly outcome: Outcome<null>
}

/** Runs the list. Exits with 69 where a program that it needs is not there. */
export const chaos = async (): Promise<Shown> => {
  for (const { lacks, name } of scenarios) {
    if (lacks === undefined) continue
    console.error(`the scenario "${name}" needs ${lacks}, which is not installed: apt-get install ${lacks}`)
    process.exit(69)
  }
  const results: Array<Result> = []
  for (const scenario of scenarios) {
    console.log(`${scenario.name}: two workers, ${count(jobs)} jobs`)
    const outcome = await run(scenario)
    results.push({ scenario, outcome })
    for (const line of broken(outcome)) console.log(`  ${line}`)
  }
  console.log(`\n${
    table(
      [
        "chaos",
        "jobs",
        "recovered",
        "lost",
        "not ended",
        "again, unexplained",
        "effects of jobs",
        "drained after",
        "ok"
      ],
      results.map(row)
    )
  }`)
  return { isShown: results.every(({ outcome }) => isWell(outcome)), exported: results.map(exported) }
}

const run = (scenario: Scenario) =>
  withRig(
    { seed: 1, workers, producers, proxied: [], jobs, ms: harmMs, hasPoison: false, front: scenario.front },
    async (rig) => {
      await rig.begun()
      return { given: null, dealt: await scenario.harm(rig, [...workers, ...producers]) }
    },
    isWell,
    (line) => console.log(line)
  )

const came = ({ verdict }: Outcome<null>) => verdict.done / Math.max(1, verdict.acked)

const isWell = (outcome: Outcome<null>) =>
  isKept(outcome.verdict) && outcome.verdict.acked === jobs && came(outcome) === 1 && outcome.selfEnded.length === 0 &&
  outcome.stopped.every(isGraceful)

const broken = ({ selfEnded, stopped, verdict }: Outcome<null>) => [
  ...Object.entries(verdict).flatMap(([what, found]) =>
    Array.isArray(found) && found.length > 0 ? [`${what}: ${found.slice(0, 5).join("; ")}`] : []
  ),
  ...(selfEnded.length > 0 ? [`processes ended by themselves: ${selfEnded.join(", ")}`] : []),
  ...(stopped.every(isGraceful) ? [] : [`processes that were told to stop ended with ${stopped.join(", ")}`])
]

const percent = (outcome: Outcome<null>) => `${(came(outcome) * 100).toFixed(came(outcome) === 1 ? 0 : 2)} %`

const row = ({ outcome, scenario }: Result): ReadonlyArray<string> => {
  const { verdict } = outcome
  return [
    scenario.name,
    count(verdict.acked),
    percent(outcome),
    String(verdict.lost.length),
    String(verdict.live.length),
    String(verdict.unexplained.length),
    `${count(verdict.effects)} of ${count(verdict.transactional)}`,
    `${outcome.drainSeconds.toFixed(1)} s`,
    isWell(outcome) ? "yes" : "NO"
  ]
}

const exported = ({ outcome, scenario: { name } }: Result) => ({
  scenario: name,
  acked: outcome.verdict.acked,
  done: outcome.verdict.done,
  recovered: came(outcome),
  lost: outcome.verdict.lost.length,
  unexplained: outcome.verdict.unexplained.length,
  effects: outcome.verdict.effects,
  transactional: outcome.verdict.transactional,
  drainSeconds: outcome.drainSeconds,
  ok: isWell(outcome)
})

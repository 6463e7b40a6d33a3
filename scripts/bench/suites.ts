/** Every suite of `npm run bench`, in one form. */
import { missed as missedByInsights, report as reportInsights } from "./insights/results.ts"
import { runInsights } from "./insights/suite.ts"
import { report as reportJobs } from "./jobs/report.ts"
import type { Results as Jobs } from "./jobs/results.ts"
import { runShapes, shapePeers } from "./jobs/shapes/suite.ts"
import { jobPeers, runJobs } from "./jobs/suite.ts"
import { targets as jobTargets } from "./jobs/targets.ts"
import { circumstances, missed as missedByLoop, report as reportLoop, type Results as Loop } from "./loop/results.ts"
import { runLoop } from "./loop/suite.ts"
import { report as reportPool, targets as poolTargets } from "./pool/results.ts"
import { runPool } from "./pool/suite.ts"
import { missed, type Target } from "./targets.ts"
import { missed as missedByThreads, report as reportThreads } from "./threads/results.ts"
import { runThreads } from "./threads/suite.ts"

/** What the command line says. */
export interface Options {
  readonly repetitions: number
  /** Small sizes: does everything still hold? */
  readonly quick: boolean
  /** Names, or begins of names, of the systems to measure; all where empty. */
  readonly only: ReadonlyArray<string>
  readonly say: (line: string) => void
}

/** What a run of a suite leaves. */
export interface Finished {
  /** Raw, for `--json`. */
  readonly results: { readonly suite: string }
  /** For people, as Markdown. */
  readonly text: string
  /** What could not be measured, and why; `not run: ` before what is optional. */
  readonly failures: ReadonlyArray<string>
  /** One line for each promise that was not kept. */
  readonly missed: ReadonlyArray<string>
}

/** A suite. */
export interface Suite {
  /** Packages of `scripts/bench/package.json` that it needs. */
  readonly peers: ReadonlyArray<string>
  /** `--check` measures at full size: less says nothing about its promises. Defaults to false. */
  readonly isCheckedWhole?: boolean
  readonly run: (options: Options) => Promise<Finished>
}

const failuresOf = (
  rows: ReadonlyArray<{ readonly repetitions: ReadonlyArray<{ readonly failure?: string | undefined }> }>
) => rows.flatMap(({ repetitions }) => repetitions.flatMap(({ failure }) => failure ?? []))

const finishedJobs = (found: Jobs, targets: ReadonlyArray<Target>): Finished => {
  const results = { ...found, targets }
  return { results, text: reportJobs(found), failures: failuresOf(found.rows), missed: missed(targets) }
}

/** By name. */
export const suites: Readonly<Record<string, Suite>> = {
  insights: {
    peers: [],
    run: async ({ quick, repetitions, say }) => {
      const results = await runInsights({ repetitions: quick ? 1 : repetitions, say })
      return { results, text: reportInsights(results), failures: [], missed: missedByInsights(results) }
    }
  },
  jobs: {
    peers: jobPeers,
    isCheckedWhole: true,
    run: async (options) => {
      const results = await runJobs(options)
      return finishedJobs(results, jobTargets(results))
    }
  },
  "jobs-shapes": {
    peers: shapePeers,
    run: async (options) => finishedJobs(await runShapes(options), [])
  },
  loop: {
    peers: [],
    run: async ({ quick, repetitions, say }) => {
      const size = quick ? { seconds: 5, commits: 2000 } : { seconds: 20, commits: 20_000 }
      const before = circumstances()
      const measured = await runLoop({ ...size, repetitions, say })
      const results: Loop = { suite: "loop", ...before, ...size, repetitions, measured }
      return { results, text: reportLoop(results), failures: [], missed: missedByLoop(results) }
    }
  },
  pool: {
    peers: ["fastq", "p-limit"],
    isCheckedWhole: true,
    run: async (options) => {
      const results = await runPool(options)
      const promises = { ...results, targets: poolTargets(results) }
      return {
        results: promises,
        text: reportPool(results),
        failures: failuresOf(results.rows),
        missed: missed(promises.targets)
      }
    }
  },
  threads: {
    peers: ["piscina", "tinypool"],
    run: async (options) => {
      const results = await runThreads(options)
      const broken = results.measured.filter(({ repetitions }) => repetitions.includes(null))
      return {
        results,
        text: reportThreads(results),
        failures: broken.map(({ metric, name }) => `${name} gave no figure for ${metric}`),
        missed: missedByThreads(results)
      }
    }
  }
}

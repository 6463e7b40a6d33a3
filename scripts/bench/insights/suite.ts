/**
 * The suite `insights`: reading a history beside `git log --numstat` alone, and what it needs of memory.
 *
 * Every collection runs in a fresh process; time excludes the start of that process, memory is its peak.
 */
import { execFile, execFileSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { machine } from "../machine.ts"
import { generate, gitAlone, type Repository } from "./history.ts"
import { type Repetition, type Results, rowsOf } from "./results.ts"

/** What a run may be told. */
export interface Options {
  readonly repetitions: number
  readonly say: (line: string) => void
}

const sizes = [10_000, 40_000] as const

interface Measured {
  readonly seconds: number
  readonly peakMb: number
}

const child = async (mode: "idle" | "handed" | "kept", root: string): Promise<Measured> => {
  const { stdout } = await promisify(execFile)(process.execPath, [
    "--conditions=ostinato:source",
    "--disable-warning=ExperimentalWarning",
    fileURLToPath(new URL("./child.ts", import.meta.url)),
    mode,
    root
  ])
  return JSON.parse(stdout) as Measured
}

// the least of three alternating passes: what another program took away from one of them does not count
const passes = 3

const repetition = async ({ commits, root }: Repository): Promise<Repetition> => {
  const git: Array<number> = []
  const ours: Array<Measured> = []
  for (let pass = 0; pass < passes; pass++) {
    git.push(await gitAlone(root))
    ours.push(await child("handed", root))
  }
  const kept = await child("kept", root)
  const idle = await child("idle", root)
  return {
    commits,
    gitSeconds: Math.min(...git),
    seconds: Math.min(...ours.map(({ seconds }) => seconds)),
    handedMb: Math.max(...ours.map(({ peakMb }) => peakMb)),
    keptMb: kept.peakMb,
    idleMb: idle.peakMb
  }
}

/** Runs the suite on repositories of its own, which are gone afterwards. */
export const runInsights = async ({ repetitions, say }: Options): Promise<Results> => {
  const repositories: Array<Repository> = []
  try {
    for (const size of sizes) repositories.push(await generate(size))
    const all: Array<Repetition> = []
    for (let number = 0; number < repetitions; number++) {
      for (const repository of repositories) {
        const measured = await repetition(repository)
        all.push(measured)
        say(
          `${measured.commits} commits: git alone ${measured.gitSeconds.toFixed(2)} s, ours ${
            measured.seconds.toFixed(2)
          } s, peak ${measured.handedMb.toFixed(0)} MB (kept ${measured.keptMb.toFixed(0)}, idle ${
            measured.idleMb.toFixed(0)
          })`
        )
      }
    }
    return {
      suite: "insights",
      date: new Date().toISOString().slice(0, 10),
      git: execFileSync("git", ["--version"]).toString().trim(),
      node: process.versions.node,
      machine: machine(),
      repetitions: all,
      rows: rowsOf(all, sizes)
    }
  } finally {
    for (const repository of repositories) repository.remove()
  }
}

/** Generated repositories to measure on: bare, packed, the same for every run of one size. */
import { execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { stream } from "../../../test/apps/insights/GeneratedHistory.ts"

const env = { PATH: process.env["PATH"], GIT_CONFIG_NOSYSTEM: "1", GIT_CONFIG_GLOBAL: "/dev/null", LC_ALL: "C" }

/** A repository in a directory of its own. */
export interface Repository {
  readonly root: string
  readonly commits: number
  readonly remove: () => void
}

/** Makes a repository with this many commits of forty people. */
export const generate = async (commits: number): Promise<Repository> => {
  const directory = mkdtempSync(join(tmpdir(), "bench-history-"))
  const root = join(directory, `${commits}.git`)
  execFileSync("git", ["init", "--quiet", "--bare", "--initial-branch", "main", root], { env })
  const child = spawn("git", ["fast-import", "--quiet"], { cwd: root, env, stdio: ["pipe", "ignore", "inherit"] })
  for (const part of stream({ seed: 1, commits, authors: 40 })) {
    if (!child.stdin.write(part)) await once(child.stdin, "drain")
  }
  child.stdin.end()
  const [code] = await once(child, "exit")
  if (code !== 0) throw new Error(`git fast-import ended with ${code}`)
  return { root, commits, remove: () => rmSync(directory, { recursive: true }) }
}

/** Seconds that `git log --numstat` takes by itself, its output thrown away. */
export const gitAlone = async (root: string): Promise<number> => {
  const start = performance.now()
  const args = ["log", "-z", "--numstat", "--no-ext-diff", "--no-textconv", "HEAD", "--"]
  const child = spawn("git", args, { cwd: root, env, stdio: ["ignore", "ignore", "inherit"] })
  const [code] = await once(child, "exit")
  if (code !== 0) throw new Error(`git log ended with ${code}`)
  return (performance.now() - start) / 1000
}

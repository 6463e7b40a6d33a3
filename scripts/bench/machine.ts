/** What a table must say about where it was measured: kind of machine, load, versions. No names of machines or users. */
import { readFileSync } from "node:fs"
import { arch, cpus, loadavg, platform, totalmem } from "node:os"
import { pinned } from "./peers.ts"

/** The machine's kind. */
export interface Machine {
  readonly cores: number
  readonly cpu: string
  readonly memoryGb: number
  readonly system: string
}

/** Describes this machine. */
export const machine = (): Machine => ({
  cores: cpus().length,
  cpu: cpus()[0]?.model.trim() ?? "unknown",
  memoryGb: Math.round(totalmem() / 2 ** 30),
  system: `${platform()} ${arch()}`
})

/** The load average of the last minute. */
export const load = (): number => loadavg()[0] ?? 0

const version = (name: string): string => {
  const manifest = new URL(`../../node_modules/${name}/package.json`, import.meta.url)
  return (JSON.parse(readFileSync(manifest, "utf8")) as { readonly version: string }).version
}

/** Versions of everything measured with these peers; `postgres` is what the server says, where there is one. */
export const versions = (peers: ReadonlyArray<string>, postgres?: string): Readonly<Record<string, string>> => ({
  node: process.versions.node,
  ...(postgres === undefined ? {} : { postgres }),
  effect: version("effect"),
  ...(postgres === undefined ? {} : { "@effect/sql-pg": version("@effect/sql-pg") }),
  ...Object.fromEntries(Object.entries(pinned()).filter(([name]) => peers.includes(name)))
})

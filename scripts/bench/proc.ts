/**
 * CPU time of a process tree, from `/proc`: the server's share of a measurement.
 *
 * Children that ended are counted through their parent, so the sum never goes back while the root lives.
 */
import { readdirSync, readFileSync } from "node:fs"

// USER_HZ is 100 on every Linux that Node supports
const ticksPerSecond = 100

interface Stat {
  readonly parent: number
  readonly own: number
  readonly reaped: number
}

const readStat = (pid: number): Stat | undefined => {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8")
    // the command may hold spaces and brackets: fields are counted after the last bracket
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ").map(Number)
    const at = (index: number) => fields[index] ?? 0
    return { parent: at(1), own: at(11) + at(12), reaped: at(13) + at(14) }
  } catch {
    return undefined
  }
}

/** CPU seconds used so far by `root` and its children, living and reaped. Zero where there is no `/proc`. */
export const treeCpuSeconds = (root: number): number => {
  const self = readStat(root)
  if (self === undefined) return 0
  let ticks = self.own + self.reaped
  for (const name of readdirSync("/proc")) {
    const pid = Number(name)
    if (!Number.isInteger(pid)) continue
    const stat = readStat(pid)
    if (stat?.parent === root) ticks += stat.own + stat.reaped
  }
  return ticks / ticksPerSecond
}

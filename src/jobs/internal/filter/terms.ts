/** The keys of a filter, and what their values may be. */
import { JobState } from "../../Job.ts"

export const keys = [
  "state",
  "queue",
  "task",
  "tag",
  "tenant",
  "error",
  "node",
  "trace",
  "id",
  "since",
  "until"
] as const

export type Key = typeof keys[number]

/** Other names of keys. */
export const aliases: Readonly<Record<string, Key>> = { kind: "task" }

export const states = JobState.literals

export const isState = (value: string): value is JobState => states.some((state) => state === value)

export const isKey = (value: string): value is Key => keys.some((key) => key === value)

/** The one of these that was meant, if one is near enough. */
export const nearest = (written: string, among: ReadonlyArray<string>): string | undefined => {
  const allowed = Math.max(1, Math.floor(written.length / 3))
  const ranked = among
    .map((one) => ({ one, far: distance(written.toLowerCase(), one) }))
    .sort((a, b) => a.far - b.far)
  const [best] = ranked
  return best !== undefined && best.far <= allowed ? best.one : undefined
}

/** Letters to change, to add or to take away. */
const distance = (a: string, b: string): number => {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, change))
    }
    row = next
  }
  return row[b.length] ?? 0
}

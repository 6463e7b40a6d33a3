/** How an unfinished filter may go on. */
import { keys, states } from "./terms.ts"
import { quoted } from "./write.ts"

interface Known {
  readonly queues?: ReadonlyArray<string> | undefined
  readonly tasks?: ReadonlyArray<string> | undefined
  readonly nodes?: ReadonlyArray<string> | undefined
}

const ages = ["1h", "24h", "7d"]

export const complete = (text: string, known: Known): ReadonlyArray<string> => {
  const last = /(?:"(?:[^"\\]|\\.)*"?|[^\s"])*$/.exec(text)?.[0] ?? ""
  const colon = last.indexOf(":")
  if (colon < 0) return [...keys.map((key) => `${key}:`), "payload."].filter((term) => term.startsWith(last))
  const key = last.slice(0, colon)
  const begun = last.slice(colon + 1)
  const comma = begun.lastIndexOf(",") + 1
  const before = `${key}:${begun.slice(0, comma)}`
  const chosen = new Set(begun.slice(0, comma).split(","))
  return valuesOf(key, known)
    .map(quoted)
    .filter((value) => !chosen.has(value) && value.startsWith(begun.slice(comma)))
    .map((value) => `${before}${value}`)
}

const valuesOf = (key: string, { nodes, queues, tasks }: Known): ReadonlyArray<string> => {
  switch (key) {
    case "state":
      return states
    case "queue":
      return queues ?? []
    case "task":
    case "kind":
      return tasks ?? []
    case "node":
      return nodes ?? []
    case "since":
    case "until":
      return ages
    default:
      return []
  }
}

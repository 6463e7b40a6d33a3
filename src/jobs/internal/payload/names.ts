/** Names of queues, tasks, tags, limits and tenants: short, and of characters that can be seen and stored. */
import * as StoredText from "../../../store/StoredText.ts"

/** What is wrong with a name, if something is. */
export const badName = (what: string, name: unknown): string | undefined => {
  if (known.has(name)) return undefined
  const problem = problemOf(what, name)
  if (problem === undefined) {
    if (known.size >= capacity) known.clear()
    known.add(name)
  }
  return problem
}

/** Names that were good: they are few as a rule, and come with every job. */
const known = new Set<unknown>()
const capacity = 10_000

const problemOf = (what: string, name: unknown): string | undefined => {
  if (typeof name !== "string" || name === "") return `${what} is empty`
  if (name.length > 128) {
    return `${what} has ${name.length} characters, and at most 128 are allowed: ${name.slice(0, 32)}…`
  }
  return name === StoredText.text(name) && !/\p{Cc}/u.test(name)
    ? undefined
    : `${what} ${JSON.stringify(name)} has characters that cannot be seen`
}

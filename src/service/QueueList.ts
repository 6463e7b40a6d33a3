/**
 * Queues and how many of their jobs may run at once, as text: `sync=2,mail=10`.
 */
import * as Result from "effect/Result"
import type { Parse } from "./Setting.ts"

/**
 * By the name of the queue.
 *
 * @category models
 */
export type QueueList = Readonly<Record<string, number>>

/**
 * Reads a list: names of at most 128 characters without spaces, `=` and commas, each once, and whole numbers from 1 to 10000.
 *
 * @category parsers
 * @example
 * ```ts
 * import { Result } from "effect"
 * import { QueueList } from "ostinato/service"
 *
 * Result.getOrNull(QueueList.parse("sync=2, mail=10")) // => { sync: 2, mail: 10 }
 * ```
 */
export const parse: Parse<QueueList> = (text) => {
  if (text.trim() === "") {
    return Result.fail("it is set, but empty: write each queue as name=n, e.g. sync=2,mail=10, or unset it")
  }
  const found = new Map<string, number>()
  for (const part of text.split(",").map((part) => part.trim())) {
    const [, name, number] = /^([^\s=,]{1,128})\s*=\s*(\d{1,5})$/.exec(part) ?? []
    const atOnce = Number(number)
    if (name === undefined || atOnce < 1 || atOnce > 10_000) {
      return Result.fail(
        `"${part}" is no queue with a number: write each as name=n with n from 1 to 10000, e.g. sync=2,mail=10`
      )
    }
    if (found.has(name)) return Result.fail(`queue "${name}" comes twice: write each queue once`)
    found.set(name, atOnce)
  }
  return Result.succeed(Object.fromEntries(found))
}

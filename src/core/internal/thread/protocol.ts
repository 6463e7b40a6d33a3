/**
 * What a pool and its threads say to each other.
 *
 *   pool → thread   calls, one after the other in one flat array, or the id of a call that is to stop
 *   thread → pool   ready; then one reply for each call that it began, several of short calls in one message
 *
 * A call is begun by whoever wins its slot, a cell of shared memory that the pool sets to the id of the call: the thread
 * changes it to `-id` and begins, or the pool changes it to 0 and takes the call back. So the pool knows at any time, and
 * also after the thread's death, what had begun and what had ended. A process shares no memory: it is sent one call at a
 * time.
 */

/**
 * Calls: id, slot, code, whether it is short, payload, and so on. The code is a number; the first time that a thread
 * hears of it, it is `number:module#export`.
 */
export type Order = ReadonlyArray<unknown> | number

export type Reply = readonly [id: number, answer: Answer, value: unknown, runMs: number]

/**
 * `heard`: a call that is to stop is told so, and the event loop turns. `thrown`: `Thrown`. `stuck`: the result cannot
 * travel, `Stuck`. `absent`: no such code, a sentence.
 */
type Answer = "ready" | "heard" | "value" | "thrown" | "stuck" | "absent"

/** What was thrown: `fields` are its own, where it is an object. */
export interface Thrown {
  readonly fields: unknown
  readonly name: string
  readonly message: string
  readonly stack: string
}

/** A value that cannot travel, and where it stands. */
export interface Stuck {
  readonly path: string
  readonly value: string
}

/** What a thread is given at its start. */
export interface Seed {
  /** Shared cells, one a call; null in a process of its own. */
  readonly slots: Int32Array | null
  readonly config: unknown
  readonly threadId: number
}

/** In the slot of a call that has ended while its reply still waits. */
export const finished = -0x8000_0000

/** The most calls that a thread holds at a time. */
export const window = 64

const isTravelling = (value: unknown): boolean => {
  try {
    structuredClone(value)
    return true
  } catch {
    return false
  }
}

const nameOf = (value: unknown): string => {
  if (typeof value === "function") return value.name === "" ? "a function" : `function ${value.name}`
  if (typeof value === "symbol") return String(value)
  const { constructor } = Object(value)
  return typeof constructor === "function" && constructor.name !== "" ? `a ${constructor.name}` : typeof value
}

/** Finds what in a value cannot travel; undefined where all of it can. */
export const stuckIn = (value: unknown, path: string, depth = 0): Stuck | undefined => {
  if (isTravelling(value)) return undefined
  if (typeof value === "object" && value !== null && depth < 32) {
    const inner = value instanceof Map
      ? Array.from(value, ([key, held]): [string, unknown] => [`.get(${String(key)})`, held])
      : Array.isArray(value)
      ? value.map((held, index): [string, unknown] => [`[${index}]`, held])
      : Object.entries(value).map(([key, held]): [string, unknown] => [`.${key}`, held])
    for (const [key, held] of inner) {
      const found = stuckIn(held, path + key, depth + 1)
      if (found !== undefined) return found
    }
  }
  return { path, value: nameOf(value) }
}

/**
 * How a client wants to be answered (RFC 7240): `Prefer: respond-async, wait=10`.
 */

/**
 * @category models
 */
export interface Prefer {
  /** It need not wait for the answer. */
  readonly respondAsync: boolean
  /** Seconds for which it would wait; null where it does not say. */
  readonly wait: number | null
}

/**
 * Reads the header. What is not understood is left out, as the standard asks; of a preference that is told twice the first
 * counts.
 *
 * @category constructors
 * @example
 * ```ts
 * import { Prefer } from "ostinato/http"
 *
 * Prefer.parse("respond-async, wait=10; x=y") // => { respondAsync: true, wait: 10 }
 * Prefer.parse(undefined) // => { respondAsync: false, wait: null }
 * ```
 */
export const parse = (header: string | undefined): Prefer => {
  let respondAsync = false
  let wait: number | null = null
  for (const preference of (header ?? "").split(",")) {
    const [name = "", value = ""] = (preference.split(";", 1)[0] ?? "").split("=").map((part) => part.trim())
    if (name.toLowerCase() === "respond-async") respondAsync = true
    const seconds = value.replace(/^"(.*)"$/, "$1")
    if (name.toLowerCase() === "wait" && wait === null && /^\d{1,9}$/.test(seconds)) wait = Number(seconds)
  }
  return { respondAsync, wait }
}

/**
 * The header that says which preferences were followed.
 *
 * @category conversions
 */
export const applied = ({ respondAsync, wait }: Prefer): string =>
  [...respondAsync ? ["respond-async"] : [], ...wait === null ? [] : [`wait=${wait}`]].join(", ")

/**
 * Text and JSON as Postgres can store them.
 *
 * Postgres refuses the character U+0000 in text and, in jsonb, halves of surrogate pairs. Failures and results carry
 * whatever a handler met, so both become U+FFFD instead of a statement that fails for good.
 */
import type * as Schema from "effect/Schema"

/**
 * @category encoding
 * @example
 * ```ts
 * import { StoredText } from "ostinato/store"
 *
 * StoredText.text("a\u0000b") // => "a\uFFFDb"
 * ```
 */
export const text = (value: string): string => value.replaceAll("\u0000", "\uFFFD").toWellFormed()

/**
 * The same for every text in a JSON value, keys included.
 *
 * @category encoding
 */
export const json = (value: Schema.Json): Schema.Json => {
  if (typeof value === "string") return text(value)
  if (Array.isArray(value)) return value.map(json)
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [text(key), json(member)]))
}

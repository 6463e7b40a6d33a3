/**
 * What keeps a payload from being stored. Nearly all are short and of common characters, which a look at them tells; the
 * others are written out for it.
 */
import type * as Schema from "effect/Schema"
import * as StoredText from "../../../store/StoredText.ts"

const maxBytes = 1_048_576

/** Undefined: nothing. */
export const unfitOf = (payload: Schema.Json): string | undefined => {
  if (left(payload, glance) >= 0) return undefined
  const text = JSON.stringify(payload)
  const size = Buffer.byteLength(text)
  if (size > maxBytes) {
    return `has ${size} bytes, and at most ${maxBytes} are kept: store it elsewhere and pass where it is`
  }
  return /\\u(0000|d[89a-f])/.test(text) && JSON.stringify(StoredText.json(payload)) !== text
    ? "has the character U+0000 or half of a surrogate pair, which a database cannot keep: take it out or encode it"
    : undefined
}

/** Bytes that are looked through at most; they bound the depth as well. */
const glance = 16_384

/** What is left of so many bytes after a value, at least; below zero where only its text can say. */
const left = (json: Schema.Json | undefined, bytes: number): number => {
  if (typeof json === "string") return strange.test(json) ? -1 : bytes - 2 - 6 * json.length
  if (typeof json !== "object" || json === null) return json === undefined ? -1 : bytes - 25
  let rest = bytes - 2
  if (isList(json)) {
    for (let at = 0; at < json.length && rest >= 0; at++) rest = left(json[at], rest)
    return rest
  }
  for (const name in json) {
    rest = left(name, rest)
    if (rest < 0) return rest
    rest = left(json[name], rest)
  }
  return rest
}

const isList = (json: Schema.Json): json is Schema.JsonArray => Array.isArray(json)

// half of a pair is told from a whole one by the text
const strange = /[\0\ud800-\udfff]/

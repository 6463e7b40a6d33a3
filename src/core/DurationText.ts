/**
 * Lengths of time as people write them: `90s`, `5m`, `2h`, `1h30m`, `1 day`, `2 weeks`, or ISO-8601 as in `PT5M`.
 *
 * The same words are read wherever a person writes a time: on the command line, in filters, requests and settings. A number
 * alone is refused here, for nobody can tell its unit.
 */
import * as Duration from "effect/Duration"
import * as Result from "effect/Result"

/**
 * Reads a length of time as whole milliseconds, 0 or more, or says in a sentence what is wrong with the text.
 *
 * @category parsers
 * @example
 * ```ts
 * import { Result } from "effect"
 * import { DurationText } from "ostinato"
 *
 * DurationText.parse("1h30m") // => Result.succeed(5_400_000)
 * DurationText.parse("2 days") // => Result.succeed(172_800_000)
 * ```
 */
export const parse = (text: string): Result.Result<number, string> => {
  const words = text.trim()
  const millis = words.startsWith("P") ? ofIso(words) : ofUnits(words)
  if (millis !== undefined && Number.isSafeInteger(millis) && millis >= 0) return Result.succeed(millis)
  return Result.fail(
    /^\d+(\.\d+)?$/.test(words)
      ? `"${text}" has no unit: write ${words}s for seconds, or ${examples}`
      : `"${text}" is no time: write ${examples}`
  )
}

/**
 * What may be written, for messages and help.
 *
 * @category constants
 */
export const examples = `90s, 5m, 2h, "1 day" or "2 weeks"`

const units: Readonly<Record<string, number>> = {
  ms: 1,
  millisecond: 1,
  s: 1000,
  second: 1000,
  m: 60_000,
  min: 60_000,
  minute: 60_000,
  h: 3_600_000,
  hour: 3_600_000,
  d: 86_400_000,
  day: 86_400_000,
  w: 604_800_000,
  week: 604_800_000
}

const part = /(\d{1,16}(?:\.\d{1,9})?)\s*([a-z]+)\s*/y

const ofUnits = (text: string): number | undefined => {
  let sum = 0
  part.lastIndex = 0
  for (let at = 0; at < text.length; at = part.lastIndex) {
    const [, count, name = ""] = part.exec(text) ?? []
    const size = units[name] ?? units[name.replace(/(?<=..)s$/, "")]
    if (count === undefined || size === undefined) return undefined
    sum += Number(count) * size
  }
  return text === "" ? undefined : round(sum)
}

/** Months and years differ in their length. */
const ofIso = (text: string): number | undefined => {
  if (/Y/.test(text) || /^[^T]*M/.test(text)) return undefined
  const iso = Duration.fromIso(text)
  return iso._tag === "Some" ? round(Duration.toMillis(iso.value)) : undefined
}

// 0.1 s are 100 ms, whatever their binary form says
const round = (millis: number) => Math.abs(millis - Math.round(millis)) < 1e-6 ? Math.round(millis) : millis

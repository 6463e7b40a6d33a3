/**
 * Instants as people write them: `2026-11-01`, `2026-11-01T08:00`, `2026-11-01T08:00:00.5+02:00`. UTC unless they say
 * otherwise.
 *
 * The same forms are read wherever a person writes an instant: on the command line, in filters and in requests. A day that
 * no calendar has is refused, and never read as one of the days after it.
 */
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import * as Result from "effect/Result"

/**
 * Reads an instant, or says in a sentence what is wrong with the text.
 *
 * @category parsers
 * @example
 * ```ts
 * import { DateTime, Result } from "effect"
 * import { InstantText } from "ostinato"
 *
 * const read = InstantText.parse("2026-11-01T08:00+02:00")
 *
 * DateTime.formatIso(Result.getOrThrow(read)) // => "2026-11-01T06:00:00.000Z"
 * Result.isFailure(InstantText.parse("2026-02-30")) // => true
 * ```
 */
export const parse = (text: string): Result.Result<DateTime.Utc, string> => {
  const words = text.trim()
  const [whole, day, time = "T00:00", zone = "Z"] = form.exec(words) ?? []
  if (whole === undefined || day === undefined) return Result.fail(`"${text}" is no instant: write ${examples}`)
  if (!isOnCalendar(day)) return Result.fail(`"${text}" is no instant: no calendar has a ${day}`)
  const read = DateTime.make(`${day}${time.replace(" ", "T")}${zone.replace(/^(...)(\d\d)$/, "$1:$2")}`)
  return Option.isSome(read)
    ? Result.succeed(DateTime.toUtc(read.value))
    : Result.fail(`"${text}" is no instant: no day has that time`)
}

/**
 * What may be written, for messages and help.
 *
 * @category constants
 */
export const examples = "2026-11-01 or 2026-11-01T08:00:00Z"

const form = /^(\d{4}-\d\d-\d\d)([T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)?(Z|[+-]\d\d:?\d\d)?$/

/** A 30th of February would be read as one of the first days of March. */
const isOnCalendar = (day: string) => {
  const read = DateTime.make(`${day}T00:00Z`)
  return Option.isSome(read) && DateTime.formatIso(read.value).startsWith(day)
}

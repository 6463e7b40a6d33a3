/**
 * A cron line and its time zone in one text: `0 2 * * * Europe/Berlin`, `CRON_TZ=Europe/Berlin 0 2 * * *`.
 */
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"

/** The parts of a text that has as many fields as a cron line; none where it has not. */
export const split = (text: string): {
  readonly expression: string
  readonly timeZone: string
  readonly overlap: (typeof overlaps)[number] | undefined
} | undefined => {
  const tokens = text.trim().split(/\s+/)
  const [prefixed] = tokens.flatMap((token) => /^(?:CRON_)?TZ=(.+)$/.exec(token)?.slice(1) ?? [])
  const overlap = overlaps.find((overlap) => tokens.includes(`overlap=${overlap}`))
  const fields = tokens.filter((token) => !token.includes("="))
  const last = fields.at(-1) ?? ""
  const zone = fields.length > 5 && prefixed === undefined && isZone(last) ? fields.pop() : undefined
  return fields.length === 5 || fields.length === 6
    ? { expression: fields.join(" "), timeZone: prefixed ?? zone ?? "UTC", overlap }
    : undefined
}

const overlaps = ["earlier", "later", "both"] as const

const weekdays = /^(sun|mon|tue|wed|thu|fri|sat)\b/i

/** A wrong zone is one too, so that it is named; a field of numbers or weekdays is none. */
const isZone = (token: string) =>
  !weekdays.test(token) &&
  (/^[a-z_]{3}/i.test(token) || Option.isSome(DateTime.zoneFromString(token)) && /^[+-]/.test(token))

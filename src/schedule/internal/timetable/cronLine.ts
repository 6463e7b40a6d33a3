/**
 * Cron lines: reading them, and the instants that follow one.
 *
 * Around a change of the clock an hour that is written out happens once, at its first occurrence; a wildcard or step hour
 * happens in both halves of a repeated hour; a time that does not exist happens once, moved on by the gap.
 */
import * as Cron from "effect/Cron"
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as WallClock from "./wallClock.ts"

/** What a cron line is made of. */
export interface CronLine {
  readonly expression: string
  readonly timeZone: string
  readonly onDstOverlap: WallClock.Overlap
}

/** The line with the name of its zone as the system spells it, or the reason why it is none. */
export const read = (expression: string, options: {
  readonly timeZone: string
  readonly onDstOverlap: WallClock.Overlap | undefined
}): Result.Result<CronLine, string> => {
  const fields = expression.trim().split(/\s+/)
  if (fields.length !== 5 && fields.length !== 6) {
    return Result.fail(`a cron line has 5 fields, or 6 with seconds first, and this has ${fields.length}`)
  }
  const zone = DateTime.zoneFromString(options.timeZone)
  if (Option.isNone(zone)) return Result.fail(`"${options.timeZone}" is no time zone`)
  const line = {
    expression: fields.join(" "),
    timeZone: DateTime.zoneToString(zone.value),
    onDstOverlap: options.onDstOverlap ?? overlapOf(fields)
  }
  return Result.flatMap(
    Result.mapError(Cron.parse(line.expression, "UTC"), (error) => error.message),
    (cron) =>
      next(cron)(0) === undefined ? Result.fail("it never comes: no month has such a day") : Result.succeed(line)
  )
}

/** The first instant after one, in milliseconds since 1970; none where there is none. */
export const after = (line: CronLine, instant: number): number | undefined => search(line)(instant)

/** The newest instants in `[from, to]`, oldest first and at most `limit`. */
export const between = (line: CronLine, from: number, to: number, limit: number): ReadonlyArray<number> => {
  const next = search(line)
  // from ever further back, so that a line that comes every second costs no more after a year than after a day
  for (let span = 60_000;; span *= 4) {
    const start = Math.max(from, to - span)
    const found: Array<number> = []
    for (let at = next(start - 1); at !== undefined && at <= to; at = next(at)) found.push(at)
    if (found.length >= limit || start === from) return found.slice(Math.max(0, found.length - limit))
  }
}

/** The next `count` instants. */
export const upcoming = (line: CronLine, from: number, count: number): ReadonlyArray<number> => {
  const next = search(line)
  const found: Array<number> = []
  for (let at = next(from); at !== undefined && found.length < count; at = next(at)) found.push(at)
  return found
}

/** Whether both the day of the month and the day of the week are set: it then comes on either, not on both together. */
export const isEitherDay = (line: CronLine): boolean => {
  const [days = "", , weekdays = ""] = line.expression.split(" ").slice(-3)
  return !days.startsWith("*") && !weekdays.startsWith("*")
}

/** What an expression says about the repeated hour: both halves where its hours are a wildcard or a step, else the first. */
export const overlapOf = (fields: ReadonlyArray<string>): WallClock.Overlap =>
  /[*/]|^0?0-23$/.test(fields.at(-4) ?? "") ? "both" : "earlier"

const search = (line: CronLine) =>
  WallClock.instants(
    Option.getOrThrow(DateTime.zoneFromString(line.timeZone)),
    line.onDstOverlap,
    next(Cron.parseUnsafe(line.expression, "UTC"))
  )

/** On a clock without changes: the rules of `Cron` for changes lose all but the first of the times that a clock leaves out. */
const next = (cron: Cron.Cron): WallClock.Next => (wall) =>
  Option.getOrUndefined(Result.getSuccess(Result.try(() => Cron.next(cron, wall).getTime())))

/**
 * What a run logs, kept beside its record: the newest lines, each cut to a length, whatever the run does.
 */
import * as Cause from "effect/Cause"
import * as DateTime from "effect/DateTime"
import * as Inspectable from "effect/Inspectable"
import * as Logger from "effect/Logger"
import type { LogLine } from "../TaskRun.ts"

/** Lines kept of a run. */
const capacity = 200

/** Characters kept of a line. */
const width = 2000

/** A logger that keeps what it is given in `lines`. */
export const keep = (lines: Array<LogLine>): Logger.Logger<unknown, void> =>
  Logger.make(({ cause, date, logLevel, message }) => {
    const parts = Array.isArray(message) ? message : [message]
    const text = parts.map((part) => typeof part === "string" ? part : Inspectable.toStringUnknown(part, 0)).join(" ")
    const full = cause.reasons.length === 0 ? text : `${text}\n${Cause.pretty(cause)}`
    lines.push({ at: DateTime.fromDateUnsafe(date), level: logLevel, message: full.slice(0, width) })
    if (lines.length > capacity) lines.shift()
  })

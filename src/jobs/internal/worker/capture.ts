/**
 * What attempts log is kept with them, each line cut to a length. One logger serves all attempts of a worker, and an
 * attempt that logs nothing pays nothing.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Inspectable from "effect/Inspectable"
import * as Logger from "effect/Logger"
import type { LogLine } from "../../../core/TaskRun.ts"
import { CurrentAttempt } from "./LiveAttempt.ts"

/** Characters kept of a line. */
const width = 2000

export const logger: Logger.Logger<unknown, void> = Logger.make((options) => {
  Context.get(options.fiber.context, CurrentAttempt)?.logged(lineOf(options))
})

export const lineOf = ({ cause, date, logLevel, message }: Logger.Options<unknown>): LogLine => {
  const parts = Array.isArray(message) ? message : [message]
  const text = parts.map((part) => typeof part === "string" ? part : Inspectable.toStringUnknown(part, 0)).join(" ")
  const full = cause.reasons.length === 0 ? text : `${text}\n${Cause.pretty(cause)}`
  return { at: DateTime.fromDateUnsafe(date), level: logLevel, message: full.slice(0, width) }
}

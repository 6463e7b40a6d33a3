/**
 * What attempts log is kept with them, each line cut to a length. One logger serves all attempts of a worker, and an
 * attempt that logs nothing pays nothing.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Inspectable from "effect/Inspectable"
import * as Logger from "effect/Logger"
import { CurrentAttempt } from "./LiveAttempt.ts"

/** Characters kept of a line. */
const width = 2000

export const logger: Logger.Logger<unknown, void> = Logger.make(({ cause, date, fiber, logLevel, message }) => {
  const attempt = Context.get(fiber.context, CurrentAttempt)
  if (attempt === null) return
  const parts = Array.isArray(message) ? message : [message]
  const text = parts.map((part) => typeof part === "string" ? part : Inspectable.toStringUnknown(part, 0)).join(" ")
  const full = cause.reasons.length === 0 ? text : `${text}\n${Cause.pretty(cause)}`
  attempt.logged({ at: DateTime.fromDateUnsafe(date), level: logLevel, message: full.slice(0, width) })
})

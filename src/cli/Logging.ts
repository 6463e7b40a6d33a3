/**
 * Where the log goes and how it looks: stderr, so that stdout is left to results; one JSON line an event unless a
 * person watches.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import { stderr } from "node:process"
import { ServiceConfig } from "ostinato/service/ServiceConfig"

/** Set up as the configuration says. */
export const layer = Layer.unwrap(Effect.map(ServiceConfig, ({ logFormat, logLevel }) => {
  const format = logFormat === "auto" ? stderr.isTTY ? "pretty" : "json" : logFormat
  const logger = format === "pretty"
    ? Logger.consolePretty()
    : format === "logfmt"
    ? Logger.withConsoleError(Logger.formatLogFmt)
    : Logger.withConsoleError(Logger.formatJson)
  return Layer.mergeAll(
    Logger.layer([logger]),
    Layer.succeed(Logger.LogToStderr, true),
    Layer.succeed(References.MinimumLogLevel, logLevel)
  )
}))

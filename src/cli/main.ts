/**
 * The entry of the program: runs the command line, tells a person what went wrong, and ends with the right code.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Cause from "effect/Cause"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Runtime from "effect/Runtime"
import { main } from "./Cli.ts"
import * as ExitCode from "./ExitCode.ts"
import * as Signals from "./Signals.ts"

const teardown: Runtime.Teardown = (exit, done) =>
  done(
    Exit.isSuccess(exit)
      ? 0
      : Cause.hasInterruptsOnly(exit.cause)
      ? Signals.exitCode()
      : ExitCode.ofCause(exit.cause)
  )

const tell = (cause: Cause.Cause<unknown>) => {
  const error = Cause.squash(cause)
  const message = Cause.hasDies(cause)
    ? `this is a defect of ostinato or of its application:\n${Cause.pretty(cause)}`
    : error instanceof Error
    ? error.message
    : Cause.pretty(cause)
  return message === "" ? Effect.void : Console.error(message.split("\n").map((line) => `ostinato: ${line}`).join("\n"))
}

Signals.forceOnRepeat()
main.pipe(
  Effect.tapCause((cause) => Cause.hasInterruptsOnly(cause) ? Effect.void : tell(cause)),
  // @effect-diagnostics-next-line strictEffectProvide:off -- this is the entry point
  Effect.provide(NodeServices.layer),
  NodeRuntime.runMain({ teardown, disableErrorReporting: true })
)

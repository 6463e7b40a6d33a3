/**
 * What signals mean: the first asks for a clean stop, a later one ends the process at once.
 *
 * A signal to the process group arrives twice, once from the terminal and once from npm, so a repeat within a second
 * of the first is the same wish. A terminal that goes away (SIGHUP) asks for a clean stop too.
 */
import * as Effect from "effect/Effect"
import { constants } from "node:os"
import NodeProcess from "node:process"

type Signal = "SIGINT" | "SIGTERM"

let first: { readonly signal: Signal; readonly at: bigint } | undefined
let stopIsTheEnd = false

/** From now on a repeated SIGINT or SIGTERM ends the process with 128 + the number of the signal. */
export const forceOnRepeat = (): void => {
  const received = (signal: Signal) => {
    const at = NodeProcess.hrtime.bigint()
    first ??= { signal, at }
    if (at - first.at < 1_000_000_000n) return
    NodeProcess.stderr.write(`ostinato: ${signal} again: ended without waiting for work in flight\n`)
    NodeProcess.exit(codeOf(signal))
  }
  NodeProcess.on("SIGINT", received)
  NodeProcess.on("SIGTERM", received)
  NodeProcess.on("SIGHUP", () => NodeProcess.kill(NodeProcess.pid, "SIGTERM"))
}

/** For a command that runs until it is stopped: to be stopped is its success. */
export const stopIsSuccess: Effect.Effect<void> = Effect.sync(() => {
  stopIsTheEnd = true
})

/** What a command that was interrupted ends with. */
export const exitCode = (): number => stopIsTheEnd ? 0 : codeOf(first?.signal ?? "SIGINT")

const codeOf = (signal: Signal) => 128 + constants.signals[signal]

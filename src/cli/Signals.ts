/**
 * What a second signal means: the first asks for a clean stop, a later one ends the process at once.
 *
 * A signal to the process group arrives twice, once from the terminal and once from npm, so a repeat within a second
 * of the first is the same wish.
 */
import { constants } from "node:os"
import NodeProcess from "node:process"

/** From now on a repeated SIGINT or SIGTERM ends the process with 128 + the number of the signal. */
export const forceOnRepeat = (): void => {
  let first: bigint | undefined
  const received = (signal: "SIGINT" | "SIGTERM") => {
    const now = NodeProcess.hrtime.bigint()
    first ??= now
    if (now - first < 1_000_000_000n) return
    NodeProcess.stderr.write(`ostinato: ${signal} again: ended without waiting for work in flight\n`)
    NodeProcess.exit(128 + constants.signals[signal])
  }
  NodeProcess.on("SIGINT", received)
  NodeProcess.on("SIGTERM", received)
}

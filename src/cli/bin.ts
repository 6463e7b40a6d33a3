#!/usr/bin/env node
/**
 * The first file of the `ostinato` command. It runs on the user's own Node, however old, so it uses nothing newer than
 * Node 14 understands. Where that Node is older than the package needs and the project has a newer one installed, the
 * command runs again on the newer one, with its signals, output and exit code; otherwise it says in one sentence what
 * is needed and exits 78 (configuration).
 */
import { spawn, spawnSync } from "node:child_process"
import { existsSync } from "node:fs"
import { fileURLToPath } from "node:url"

const isEnough = (version: string): boolean => {
  const parts = version.replace(/^v/, "").split(".").map(Number)
  const major = parts[0] || 0
  return major > 22 || (major === 22 && (parts[1] || 0) >= 19)
}

// below the repository's own root, and beside the package in the user's node_modules
const candidates = ["../../node_modules/.bin/node", "../../../.bin/node"]

const newerNode = (): string | undefined =>
  candidates
    .map((candidate) => fileURLToPath(new URL(candidate, import.meta.url)))
    .find((path) => existsSync(path) && isEnough(String(spawnSync(path, ["--version"]).stdout).trim()))

const runOn = (node: string): void => {
  let early: NodeJS.Signals | undefined
  let send = (signal: NodeJS.Signals): void => {
    early = signal
  }
  // before the child exists, so that no signal ends this process alone and leaves the child behind
  const forward = (signal: NodeJS.Signals) => {
    // a terminal sends its interrupt to both processes, and a second one would end the drain
    process.on(signal, () => signal === "SIGINT" && process.stdin.isTTY ? undefined : send(signal))
  }
  forward("SIGINT")
  forward("SIGTERM")
  forward("SIGHUP")
  const child = spawn(node, process.execArgv.concat(process.argv.slice(1)), { stdio: "inherit" })
  send = (signal) => void child.kill(signal)
  if (early !== undefined) send(early)
  child.on("exit", (code, signal) => {
    if (signal !== null) {
      process.removeAllListeners(signal)
      process.kill(process.pid, signal)
    } else process.exit(code === null ? 1 : code)
  })
}

if (isEnough(process.version)) {
  void import("./main.ts")
} else {
  const node = newerNode()
  if (node !== undefined) runOn(node)
  else {
    process.stderr.write(
      "ostinato needs Node 22.19 or newer, and this is " + process.version + ": install a newer Node\n"
    )
    process.exitCode = 78
  }
}

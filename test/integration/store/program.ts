/** Real processes for the tests of this folder: start a script of it, talk in lines, and never leave one behind. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import { spawn } from "node:child_process"
import { createInterface } from "node:readline"

/** A running script. */
export interface Program {
  readonly pid: number
  readonly send: (line: string) => Effect.Effect<void>
  /** Next line of its output; fails the test if it ends first. */
  readonly read: Effect.Effect<string>
  readonly exited: Effect.Effect<void>
}

/** Starts `script` with this Node in a process group of its own; asked to end, then killed, when the scope closes. */
export const start = Effect.fnUntraced(
  function*(script: string, args: ReadonlyArray<string>, prefix: ReadonlyArray<string> = []) {
    const output = yield* Queue.unbounded<string>()
    const gone = yield* Deferred.make<void>()
    const [command, ...rest] = [...prefix, process.execPath, new URL(script, import.meta.url).pathname, ...args]
    const child = yield* Effect.acquireRelease(
      Effect.sync(() => spawn(command ?? "", rest, { detached: true, stdio: ["pipe", "pipe", "inherit"] })),
      (child) =>
        Effect.gen(function*() {
          child.kill("SIGTERM")
          const ended = yield* Effect.timeoutOption(Effect.interruptible(Deferred.await(gone)), "10 seconds")
          if (ended._tag === "None") child.kill("SIGKILL")
          yield* Deferred.await(gone)
        })
    )
    child.stdin.on("error", () => {})
    createInterface({ input: child.stdout }).on("line", (line) => Queue.offerUnsafe(output, line))
    child.on("close", () => {
      Queue.offerUnsafe(output, "(ended)")
      Deferred.doneUnsafe(gone, Effect.void)
    })
    const program: Program = {
      pid: child.pid ?? 0,
      send: (line) => Effect.sync(() => child.stdin.write(`${line}\n`)),
      read: Queue.take(output),
      exited: Deferred.await(gone)
    }
    return program
  }
)

/** Reads one JSON line. */
export const readJson = (program: Program): Effect.Effect<Readonly<Record<string, unknown>>> =>
  Effect.map(program.read, (line) => line === "(ended)" ? { ended: true } : JSON.parse(line))

/**
 * The server process: start, readiness, stop, and what an earlier one left behind.
 *
 * States: starting -> ready -> stopping -> gone. Readiness is what the server itself writes into `postmaster.pid`.
 * Stop asks for a fast shutdown (transactions are rolled back, data is flushed), then for an immediate one, then kills:
 * the process is gone when stop returns, and committed data survives each of the three.
 */
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Schedule from "effect/Schedule"
import { open } from "node:fs/promises"
import { DataDirectoryUnusable, StartFailed } from "../EmbeddedPostgresError.ts"
import * as OsProcess from "./OsProcess.ts"
import * as ServerProgram from "./ServerProgram.ts"

/** A started server process. */
export interface Postmaster {
  readonly pid: number
  /** Succeeds with the reason in words when the process has ended. */
  readonly exited: Effect.Effect<string>
}

/** Where one server runs and what it is told. */
export interface PostmasterOptions {
  readonly directory: string
  readonly data: string
  readonly postgres: string
  readonly launch: ServerProgram.Launcher
  readonly settings: Readonly<Record<string, string>>
  /** File that receives what the server prints. */
  readonly logFile: string
}

/** Starts the process; it is stopped when the scope closes. */
export const launch = (options: PostmasterOptions) => Effect.acquireRelease(start(options), stop)

/** Waits until the server accepts connections; fails if it exits first or `within` passes. */
export const awaitReady = Effect.fnUntraced(
  function*(postmaster: Postmaster, data: string, within: Duration.Input) {
    const ready = Effect.repeat(pidFile(data), {
      until: (file) => file.pid === postmaster.pid && file.status === "ready",
      schedule: Schedule.spaced("20 millis")
    })
    const ended = Effect.flatMap(postmaster.exited, (how) => Effect.fail(`it ended (${how})`))
    yield* Effect.raceFirst(ready, ended).pipe(
      Effect.timeoutOrElse({ duration: within, orElse: () => Effect.fail("it was not ready in time") })
    )
  }
)

/**
 * Stops a server that a dead owner left running on `data`, and waits for the processes of one that was killed.
 * The caller owns the data directory, so such a server serves nobody.
 */
export const settle = Effect.fnUntraced(function*(directory: string, data: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const { pid } = yield* pidFile(data)
  if (yield* OsProcess.isAlive(pid)) {
    const command = yield* OsProcess.commandLine(pid)
    if (command.includes("postgres") && command.includes(data)) {
      yield* Effect.logWarning(`stopping Postgres (process ${pid}), left running on ${data} by an owner that is gone`)
      yield* end(pid, Effect.repeat(OsProcess.isAlive(pid), { while: (alive) => alive, schedule: poll }))
    } else if (process.platform === "linux" && (yield* OsProcess.workingIn(data)).length === 0) {
      // the id was given to another program after a crash; Postgres would take that program for a server
      yield* fs.remove(path.join(data, "postmaster.pid"), { force: true })
    }
  }
  const left = yield* Effect.repeat(OsProcess.workingIn(data), { while: (pids) => pids.length > 0, schedule: poll })
    .pipe(
      Effect.timeoutOption("10 seconds")
    )
  const still = Option.isSome(left) ? [] : yield* OsProcess.workingIn(data)
  return yield* still.length === 0
    ? Effect.void
    : new DataDirectoryUnusable({
      directory,
      detail: `processes ${still.join(", ")} of an earlier Postgres still use it: stop them`
    })
})

/** Last lines of the log from byte `from` on. */
export const logTail = Effect.fnUntraced(function*(logFile: string, from: number) {
  const fs = yield* FileSystem.FileSystem
  const bytes = yield* Effect.orElseSucceed(fs.readFile(logFile), () => new Uint8Array())
  const text = new TextDecoder().decode(bytes.subarray(Math.max(from, bytes.length - 8192)))
  return text.trimEnd().split("\n").slice(-12).join("\n")
})

const poll = Schedule.spaced("20 millis")

const start = Effect.fnUntraced(function*(options: PostmasterOptions) {
  const exited = yield* Deferred.make<string>()
  const args = Object.entries(options.settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])
  const failed = (error: unknown) => new StartFailed({ directory: options.directory, detail: String(error), log: "" })
  const child = yield* Effect.acquireUseRelease(
    Effect.tryPromise({ try: () => open(options.logFile, "a", 0o600), catch: failed }),
    ({ fd }) =>
      Effect.try({
        try: () =>
          ServerProgram.spawn(options.launch, options.postgres, ["-D", options.data, ...args], ["ignore", fd, fd]),
        catch: failed
      }),
    (log) => Effect.ignore(Effect.tryPromise({ try: () => log.close(), catch: failed }))
  )
  child.once("error", (error) => Deferred.doneUnsafe(exited, Effect.succeed(error.message)))
  child.once("exit", (code, signal) => {
    Deferred.doneUnsafe(exited, Effect.succeed(signal === null ? `exit code ${code}` : `signal ${signal}`))
  })
  const postmaster: Postmaster = { pid: child.pid ?? 0, exited: Deferred.await(exited) }
  return postmaster
})

const stop = (postmaster: Postmaster) => postmaster.pid === 0 ? Effect.void : end(postmaster.pid, postmaster.exited)

const end = Effect.fnUntraced(function*(pid: number, gone: Effect.Effect<unknown, never, FileSystem.FileSystem>) {
  const within = (signal: NodeJS.Signals, patience: Duration.Input) =>
    Effect.andThen(OsProcess.signal(pid, signal), Effect.timeoutOption(Effect.interruptible(gone), patience))
  if (Option.isSome(yield* Effect.timeoutOption(Effect.interruptible(gone), "0 millis"))) return
  if (Option.isSome(yield* within("SIGINT", "10 seconds"))) return
  yield* Effect.logWarning(`Postgres (process ${pid}) did not stop in 10 seconds: stopping it at once`)
  if (Option.isSome(yield* within("SIGQUIT", "5 seconds"))) return
  yield* within("SIGKILL", "5 seconds")
})

const pidFile = Effect.fnUntraced(function*(data: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const text = yield* Effect.orElseSucceed(fs.readFileString(path.join(data, "postmaster.pid")), () => "")
  const lines = text.split("\n")
  return { pid: Number(lines[0] ?? ""), status: (lines[7] ?? "").trim() }
})

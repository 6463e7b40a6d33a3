/**
 * What the operating system knows about a process: alive, when it started, what it runs.
 *
 * A process id alone is not an identity, because ids are reused. Where `/proc` exists, the boot and the start time are
 * part of it; elsewhere only liveness counts. A zombie counts as dead. Only processes of this host and of this
 * process-id namespace can be seen.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { execFile } from "node:child_process"

/** True while the process exists and is not a zombie; a process of another user counts. */
export const isAlive = Effect.fnUntraced(function*(pid: number) {
  if (!Number.isInteger(pid) || pid <= 0 || !(yield* answers(pid))) return false
  return (yield* stat(pid))?.state !== "Z"
})

/** Boot id and start time of a process, empty where the system does not tell. */
export const startOf = Effect.fnUntraced(function*(pid: number) {
  const fields = yield* stat(pid)
  if (fields === undefined) return ""
  const fs = yield* FileSystem.FileSystem
  const boot = yield* Effect.orElseSucceed(fs.readFileString("/proc/sys/kernel/random/boot_id"), () => "")
  return `${boot.trim()}:${fields.startTicks}`
})

/** Command line of a process, arguments separated by NUL where known exactly, else by blanks; empty if gone. */
export const commandLine = Effect.fnUntraced(function*(pid: number) {
  const fs = yield* FileSystem.FileSystem
  if (process.platform === "linux") {
    return yield* Effect.orElseSucceed(fs.readFileString(`/proc/${pid}/cmdline`), () => "")
  }
  return yield* Effect.callback<string>((resume) => {
    execFile("ps", ["-o", "command=", "-p", String(pid)], (_error, stdout) => resume(Effect.succeed(stdout.trim())))
  })
})

/** Processes whose working directory is exactly `directory`; those that may not be inspected are left out. */
export const workingIn = Effect.fnUntraced(function*(directory: string) {
  const fs = yield* FileSystem.FileSystem
  if (process.platform !== "linux") return []
  const entries = yield* Effect.orElseSucceed(fs.readDirectory("/proc"), () => [])
  return yield* Effect.filter(
    entries.filter((name) => /^\d+$/.test(name)).map(Number),
    (pid) =>
      fs.readLink(`/proc/${pid}/cwd`).pipe(Effect.map((cwd) => cwd === directory), Effect.orElseSucceed(() => false))
  )
})

/** Sends a signal; a process that is already gone is no error. */
export const signal = (pid: number, name: NodeJS.Signals) =>
  Effect.ignore(Effect.try({ try: () => process.kill(pid, name), catch: String }))

// EPERM: it exists and belongs to another user
const answers = (pid: number) =>
  Effect.try({
    try: () => process.kill(pid, 0),
    catch: (error) => error instanceof Error && "code" in error && error.code === "EPERM"
  }).pipe(Effect.catch((exists) => Effect.succeed(exists)))

const stat = Effect.fnUntraced(function*(pid: number) {
  const fs = yield* FileSystem.FileSystem
  const line = yield* Effect.orElseSucceed(fs.readFileString(`/proc/${pid}/stat`), () => "")
  // the second field is the program's name in parentheses and may itself hold blanks and parentheses
  const fields = line.slice(line.lastIndexOf(")") + 2).split(" ")
  const state = fields[0]
  const startTicks = fields[19]
  return state === undefined || startTicks === undefined ? undefined : { state, startTicks }
})

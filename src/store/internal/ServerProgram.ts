/**
 * Runs a program of the server's package under the server's account, in a session of its own.
 *
 * A session of its own: a signal to our process group (Ctrl-C) does not reach it. Where `setpriv` allows it, the
 * kernel also asks the server to stop when this process dies, so that a killed owner leaves no orphan behind.
 * The program sees only the variables it is given.
 */
import * as Effect from "effect/Effect"
import { type ChildProcess, spawn as spawnNode, type StdioOptions } from "node:child_process"
import type { ServerAccount } from "./ServerAccount.ts"

/** How programs of this server are started on this machine. */
export interface Launcher {
  readonly account: ServerAccount
  /** Command line before the program, `[]` if none is needed or available. */
  readonly prefix: ReadonlyArray<string>
  readonly env: Readonly<Record<string, string>>
}

/** Finds out what `setpriv` can do here by trying it. */
export const launcher = Effect.fnUntraced(function*(account: ServerAccount, env: Readonly<Record<string, string>>) {
  const identity = account.drop
    ? ["--reuid", String(account.uid), "--regid", String(account.gid), "--clear-groups"]
    : []
  const direct: Launcher = { account, prefix: [], env }
  if (process.platform !== "linux") return direct
  const candidates = [["setpriv", "--pdeathsig", "INT", ...identity, "--"]]
  if (account.drop) candidates.push(["setpriv", ...identity, "--"])
  for (const prefix of candidates) {
    const attempt = yield* run({ ...direct, account: { ...account, drop: false }, prefix }, "true", []).pipe(
      Effect.orElseSucceed(() => undefined)
    )
    if (attempt?.code === 0) return { ...direct, prefix }
  }
  return direct
})

/** Starts a program detached; throws nothing: a program that cannot start reports through the `error` event. */
export const spawn = (
  launch: Launcher,
  program: string,
  args: ReadonlyArray<string>,
  stdio: StdioOptions
): ChildProcess => {
  const [command, ...rest] = [...launch.prefix, program, ...args]
  const drops = launch.account.drop && launch.prefix.length === 0
  return spawnNode(command ?? program, rest, {
    cwd: "/",
    detached: true,
    env: { PATH: searchPath, LC_ALL: "C", ...launch.env },
    stdio,
    windowsHide: true,
    ...(drops && { uid: launch.account.uid, gid: launch.account.gid })
  })
}

/** Runs a program to its end; interruption kills it with its children. Output is cut to its last 16 kB. */
export const run = (launch: Launcher, program: string, args: ReadonlyArray<string>) =>
  Effect.callback<{ readonly code: number; readonly output: string }, string>((resume) => {
    let output = ""
    const child = spawn(launch, program, args, ["ignore", "pipe", "pipe"])
    const collect = (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-16_384)
    }
    child.stdout?.on("data", collect)
    child.stderr?.on("data", collect)
    child.on("error", (error) => resume(Effect.fail(error.message)))
    child.on("close", (code) => resume(Effect.succeed({ code: code ?? 1, output: output.trim() })))
    return Effect.ignore(Effect.try({
      try: () => child.pid === undefined ? false : process.kill(-child.pid, "SIGKILL"),
      catch: String
    }))
  })

const searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

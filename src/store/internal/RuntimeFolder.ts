/**
 * A short private folder for the socket and the library links of one run of the server.
 *
 * Unix socket paths are limited to about a hundred bytes, so it does not live in the data directory. Only the server's
 * account (and root) may enter it. It is removed when the scope closes; the folder that a killed owner left is named
 * in the data directory and removed by the next start.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import { tmpdir } from "node:os"
import { DataDirectoryUnusable } from "../EmbeddedPostgresError.ts"
import { canReach, type ServerAccount } from "./ServerAccount.ts"

/** Makes the folder until the scope closes. */
export const make = (directory: string, account: ServerAccount) =>
  Effect.acquireRelease(acquire(directory, account), remove)

const prefix = "ostinato-pg-"

// 103 bytes on macOS, 107 on Linux
const longestSocketPath = 103

const acquire = Effect.fnUntraced(function*(directory: string, account: ServerAccount) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const record = path.join(directory, "postgres.runtime")
  const earlier = (yield* Effect.orElseSucceed(fs.readFileString(record), () => "")).trim()
  if (path.basename(earlier).startsWith(prefix)) yield* remove(earlier)

  for (const parent of new Set(["/tmp", tmpdir(), "/run", "/var/tmp"])) {
    const longest = path.join(parent, `${prefix}XXXXXX`, ".s.PGSQL.5432")
    if (Buffer.byteLength(longest) > longestSocketPath) continue
    const usable = yield* Effect.orElseSucceed(canReach(account, parent, "enter"), () => false)
    if (!usable) continue
    const folder = yield* Effect.option(fs.makeTempDirectory({ directory: parent, prefix }))
    if (folder._tag === "None") continue
    yield* fs.chmod(folder.value, 0o700)
    if (account.drop) yield* fs.chown(folder.value, account.uid, account.gid)
    yield* fs.writeFileString(record, `${folder.value}\n`, { mode: 0o600 })
    return folder.value
  }
  return yield* new DataDirectoryUnusable({
    directory,
    detail:
      `there is no writable folder for the server's socket in /tmp, ${tmpdir()}, /run or /var/tmp: make one of them writable`
  })
})

const remove = (folder: string) =>
  Effect.ignore(Effect.flatMap(FileSystem.FileSystem, (fs) => fs.remove(folder, { recursive: true, force: true })))

/**
 * The operating system account that runs the server.
 *
 * Postgres refuses to run as root. A root process hands it to another account: the one that already owns the data,
 * else `postgres`, else `nobody`. That account has no supplementary groups and must be able to reach every file that
 * the server needs. Any other process runs the server as itself.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import { DataDirectoryUnusable } from "../EmbeddedPostgresError.ts"

/** Numeric ids; `drop` = this process is root and must start the server as `uid`. */
export interface ServerAccount {
  readonly uid: number
  readonly gid: number
  readonly drop: boolean
}

/** Chooses the account; `data` is the data directory that may already exist. */
export const choose = Effect.fnUntraced(function*(directory: string, data: string) {
  const fs = yield* FileSystem.FileSystem
  const uid = process.getuid?.() ?? -1
  const gid = process.getgid?.() ?? -1
  const info = Option.getOrUndefined(yield* Effect.option(fs.stat(data)))
  const owner = info === undefined ? undefined : Option.getOrUndefined(info.uid)
  const group = info === undefined ? undefined : Option.getOrUndefined(info.gid)
  if (uid !== 0) {
    if (uid !== -1 && owner !== undefined && owner !== uid) {
      return yield* new DataDirectoryUnusable({
        directory,
        detail:
          `the database in it belongs to user ${owner}, this process runs as user ${uid}: run it as that user or as root`
      })
    }
    return { uid, gid, drop: false }
  }
  if (owner !== undefined && owner !== 0 && group !== undefined) return { uid: owner, gid: group, drop: true }
  const passwd = yield* Effect.orElseSucceed(fs.readFileString("/etc/passwd"), () => "")
  const ids = accountIn(passwd, "postgres") ?? accountIn(passwd, "nobody")
  if (ids === undefined) {
    return yield* new DataDirectoryUnusable({
      directory,
      detail: "Postgres does not run as root, and there is no user \"postgres\" or \"nobody\" to run it as: " +
        "create one, run this process as another user, or set DATABASE_URL"
    })
  }
  return { ...ids, drop: true }
})

/** Whether the account can enter every folder above `target`, and enter it or also read it, by its permission bits. */
export const canReach = Effect.fnUntraced(function*(account: ServerAccount, target: string, need: "enter" | "read") {
  if (!account.drop) return true
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  let current = yield* fs.realPath(target)
  let wanted = need === "read" ? 0o5 : 0o1
  while (true) {
    const info = yield* fs.stat(current)
    const shift = Option.getOrUndefined(info.uid) === account.uid
      ? 6
      : Option.getOrUndefined(info.gid) === account.gid
      ? 3
      : 0
    if (((info.mode >> shift) & wanted) !== wanted) return false
    const parent = path.dirname(current)
    if (parent === current) return true
    current = parent
    wanted = 0o1
  }
})

const accountIn = (passwd: string, name: string): Pick<ServerAccount, "uid" | "gid"> | undefined => {
  const fields = passwd.split("\n").find((line) => line.startsWith(`${name}:`))?.split(":")
  const uid = Number(fields?.[2])
  const gid = Number(fields?.[3])
  return Number.isInteger(uid) && uid > 0 && Number.isInteger(gid) ? { uid, gid } : undefined
}

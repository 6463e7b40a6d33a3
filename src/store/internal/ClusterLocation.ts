/**
 * Where the database of a data directory lives.
 *
 * Normally in `<directory>/postgres`. Where the server's account cannot enter the directory (root with a private
 * home), it lives in a system folder, and `<directory>/postgres.location` says where. That file is written only after
 * the database is complete and is followed for ever after, so that data never seems to vanish.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import { createHash, randomBytes } from "node:crypto"
import { DataDirectoryUnusable } from "../EmbeddedPostgresError.ts"
import { canReach, choose, type ServerAccount } from "./ServerAccount.ts"

/** A place for one cluster and the account that runs it. */
export interface ClusterLocation {
  /** Folder that appears at once, complete, holding `data` and `password`. */
  readonly root: string
  readonly data: string
  /** Login password, readable by this process' user only. */
  readonly password: string
  readonly account: ServerAccount
  /** File that must name `root` once the cluster exists; absent in the normal place. */
  readonly pointer: string | undefined
}

/** Finds the place for `directory` (a real path); `system` is the folder for databases that cannot live there. */
export const resolve = Effect.fnUntraced(function*(directory: string, system: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const place = (root: string, account: ServerAccount, pointer?: string): ClusterLocation => ({
    root,
    data: path.join(root, "data"),
    password: path.join(root, "password"),
    account,
    pointer
  })
  const own = path.join(directory, "postgres")
  const pointer = path.join(directory, "postgres.location")

  if (yield* fs.exists(pointer)) {
    const root = (yield* fs.readFileString(pointer)).trim()
    if (!path.isAbsolute(root) || !(yield* fs.exists(path.join(root, "data", "PG_VERSION")))) {
      return yield* new DataDirectoryUnusable({
        directory,
        detail: `${pointer} says that the database is in "${root}", but there is none: restore that folder, ` +
          "or delete the file to begin with an empty database"
      })
    }
    return place(root, yield* choose(directory, path.join(root, "data")), pointer)
  }

  const account = yield* choose(directory, path.join(own, "data"))
  if (yield* canReach(account, directory, "enter")) return place(own, account)
  if (yield* fs.exists(path.join(own, "data", "PG_VERSION"))) {
    return yield* new DataDirectoryUnusable({
      directory,
      detail:
        `user ${account.uid}, who runs Postgres for root, may not enter it any more: allow entry to the folders above it`
    })
  }
  const hash = createHash("sha256").update(directory).digest("hex").slice(0, 16)
  const root = path.join(system, `${hash}-${randomBytes(4).toString("hex")}`)
  yield* fs.makeDirectory(system, { recursive: true, mode: 0o755 })
  if (!(yield* canReach(account, system, "enter"))) {
    return yield* new DataDirectoryUnusable({
      directory,
      detail: `user ${account.uid}, who runs Postgres for root, can enter neither it nor ${system}: ` +
        "allow entry to one of them, or set DATABASE_URL"
    })
  }
  yield* Effect.logInfo(`user ${account.uid} cannot enter ${directory}: the database lives in ${root}`)
  return place(root, account, pointer)
})

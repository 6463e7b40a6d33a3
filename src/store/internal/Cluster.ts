/**
 * Makes a database cluster, all or nothing, and checks one that exists.
 *
 * A new cluster is made in a sibling folder and renamed into place after it is on disk, so a start that was killed
 * half-way leaves only a sibling that the next start removes. A folder in that place that is no cluster is set aside,
 * never deleted.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Redacted from "effect/Redacted"
import { randomBytes } from "node:crypto"
import * as RetryPolicy from "../../core/RetryPolicy.ts"
import { DataDirectoryUnusable, DataDirectoryVersion, StartFailed } from "../EmbeddedPostgresError.ts"
import { type Binaries, major } from "./Binaries.ts"
import type { ClusterLocation } from "./ClusterLocation.ts"
import * as ServerProgram from "./ServerProgram.ts"

/** Superuser of every embedded cluster. */
export const username = "ostinato"

/** What a start needs to know to make or check a cluster. */
export interface ClusterOptions {
  /** Data directory as the user knows it, for messages. */
  readonly directory: string
  readonly location: ClusterLocation
  readonly binaries: Binaries
  readonly launch: ServerProgram.Launcher
  /** Private folder that the server's account can read. */
  readonly runtime: string
}

/** Makes the cluster if there is none; returns the login password. */
export const ensure = Effect.fnUntraced(function*(options: ClusterOptions) {
  const { directory, location } = options
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  yield* removeLeftovers(location.root)
  const versionFile = path.join(location.data, "PG_VERSION")
  if (!(yield* fs.exists(versionFile))) {
    yield* setAside(location.root)
    yield* create(options)
  }
  if (location.pointer !== undefined && !(yield* fs.exists(location.pointer))) {
    yield* fs.writeFileString(location.pointer, `${location.root}\n`)
    yield* sync(location.pointer)
    yield* sync(path.dirname(location.pointer))
  }
  const found = (yield* fs.readFileString(versionFile)).trim()
  if (found !== major) return yield* new DataDirectoryVersion({ directory, found, wanted: major })
  const password = yield* fs.readFileString(location.password).pipe(
    Effect.map((text) => text.trim()),
    Effect.orElseSucceed(() => "")
  )
  if (password === "") {
    return yield* new DataDirectoryUnusable({
      directory,
      detail: `the password file ${location.password} is missing or empty: restore it, the data is untouched`
    })
  }
  return Redacted.make(password, { label: "password" })
})

const create = Effect.fnUntraced(function*({ binaries, directory, launch, location, runtime }: ClusterOptions) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const { account } = location
  const password = randomBytes(24).toString("base64url")
  const draft = `${location.root}.init-${randomBytes(6).toString("hex")}`
  const data = path.join(draft, "data")
  const passwordForServer = path.join(runtime, "password")
  yield* Effect.gen(function*() {
    yield* fs.makeDirectory(data, { recursive: true, mode: 0o700 })
    yield* fs.chmod(draft, account.drop ? 0o711 : 0o700)
    yield* fs.writeFileString(path.join(draft, "password"), `${password}\n`, { mode: 0o600 })
    yield* fs.writeFileString(passwordForServer, `${password}\n`, { mode: 0o600 })
    if (account.drop) {
      yield* fs.chown(data, account.uid, account.gid)
      yield* fs.chown(passwordForServer, account.uid, account.gid)
    }
    const made = yield* Effect.mapError(
      ServerProgram.run(launch, binaries.initdb, [
        "--pgdata",
        data,
        "--username",
        username,
        "--auth",
        "scram-sha-256",
        "--pwfile",
        passwordForServer,
        "--encoding",
        "UTF8",
        "--locale",
        "C",
        "--data-checksums"
      ]),
      (detail) => new StartFailed({ directory, detail: `initdb could not run: ${detail}`, log: "" })
    )
    yield* made.code === 0
      ? Effect.void
      : new StartFailed({ directory, detail: `initdb ended with code ${made.code}`, log: made.output })
    yield* sync(path.join(draft, "password"))
    yield* sync(draft)
    yield* fs.rename(draft, location.root)
    yield* sync(path.dirname(location.root))
  }).pipe(
    Effect.ensuring(Effect.ignore(fs.remove(passwordForServer, { force: true }))),
    Effect.ensuring(Effect.ignore(fs.remove(draft, { recursive: true, force: true })))
  )
})

// only the owner of the data directory gets here; an initdb that a killed owner left behind may write on for a moment
const removeLeftovers = Effect.fnUntraced(function*(root: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const parent = path.dirname(root)
  const names = yield* Effect.orElseSucceed(fs.readDirectory(parent), () => [])
  const drafts = names.filter((name) => name.startsWith(`${path.basename(root)}.init-`))
  yield* Effect.forEach(
    drafts,
    (name) =>
      Effect.retry(fs.remove(path.join(parent, name), { recursive: true, force: true }), {
        schedule: RetryPolicy.patient("10 seconds")
      }),
    { discard: true }
  )
})

const setAside = Effect.fnUntraced(function*(root: string) {
  const fs = yield* FileSystem.FileSystem
  if (!(yield* fs.exists(root))) return
  const aside = `${root}.incomplete-${randomBytes(4).toString("hex")}`
  yield* fs.rename(root, aside)
  yield* Effect.logWarning(`${root} held no complete database: it was set aside as ${aside}`)
})

// a rename or a new file is on disk only once its folder is; not every system can sync a folder
const sync = Effect.fnUntraced(
  function*(file: string) {
    const fs = yield* FileSystem.FileSystem
    const handle = yield* fs.open(file, { flag: "r" })
    yield* handle.sync
  },
  Effect.scoped,
  (effect) => Effect.ignore(effect)
)

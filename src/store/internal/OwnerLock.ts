/**
 * One owner per data directory, also when several processes start at the same instant.
 *
 * The lock is a folder of numbered entries; the highest number counts. An entry names its owner (process id and start)
 * or says that the directory is free. Whoever wants the directory creates the next number by a hard link, which the
 * file system grants to exactly one; numbers never go back, so an entry of a dead owner is not removed before it is
 * outvoted, and nobody can delete a newer owner's entry by mistake.
 *
 * Crash: an owner that was killed leaves its entry, and the next start sees that the process is gone.
 * Limit: processes of other hosts or containers that share the directory are not seen.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type * as PlatformError from "effect/PlatformError"
import * as Schema from "effect/Schema"
import { randomBytes } from "node:crypto"
import { DataDirectoryInUse } from "../EmbeddedPostgresError.ts"
import * as OsProcess from "./OsProcess.ts"

const Entry = Schema.fromJsonString(Schema.Struct({
  /** Owner's process id; 0 = free. */
  pid: Schema.Int,
  /** Owner's `OsProcess.startOf`. */
  started: Schema.String
}))
type Entry = typeof Entry.Type

const free: Entry = { pid: 0, started: "" }

/**
 * Owns `directory` (which must exist) until the scope closes; fails with `DataDirectoryInUse` while a living process,
 * this one included, owns it.
 */
export const acquire = (directory: string) => Effect.acquireRelease(take(directory), release)

interface Owned {
  readonly folder: string
  readonly number: number
}

const take = Effect.fnUntraced(function*(directory: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const folder = path.join(directory, "postgres.owner")
  yield* fs.makeDirectory(folder, { mode: 0o700 }).pipe(
    Effect.catchReason("PlatformError", "AlreadyExists", () => Effect.void)
  )
  const me: Entry = { pid: process.pid, started: yield* OsProcess.startOf(process.pid) }
  while (true) {
    const latest = (yield* numbers(folder)).at(-1) ?? 0
    const owner = yield* readEntry(path.join(folder, String(latest)))
    if (yield* isLiving(owner)) return yield* new DataDirectoryInUse({ directory, pid: owner.pid })
    const mine: Owned = { folder, number: latest + 1 }
    if (!(yield* append(mine, me))) continue
    const all = yield* numbers(folder)
    if (all.at(-1) === mine.number) {
      yield* removeBelow(folder, mine.number)
      return mine
    }
    // the numbers that were read were outvoted and swept meanwhile: this entry is history, not the latest word
    yield* fs.remove(path.join(folder, String(mine.number)), { force: true })
  }
})

const release = Effect.fnUntraced(function*({ folder, number }: Owned) {
  const freed = yield* append({ folder, number: number + 1 }, free)
  if (freed) yield* removeBelow(folder, number + 1)
}, (effect) => Effect.ignore(effect))

const numbers = Effect.fnUntraced(function*(folder: string) {
  const fs = yield* FileSystem.FileSystem
  const names = yield* fs.readDirectory(folder)
  return names.filter((name) => /^\d+$/.test(name)).map(Number).sort((a, b) => a - b)
})

// an entry that vanished or cannot be read is not held by anybody
const readEntry = Effect.fnUntraced(function*(file: string) {
  const fs = yield* FileSystem.FileSystem
  return yield* fs.readFileString(file).pipe(
    Effect.flatMap(Schema.decodeUnknownEffect(Entry)),
    Effect.orElseSucceed(() => free)
  )
})

const isLiving = Effect.fnUntraced(function*(entry: Entry) {
  if (entry.pid === 0 || !(yield* OsProcess.isAlive(entry.pid))) return false
  return entry.started === "" || entry.started === (yield* OsProcess.startOf(entry.pid))
})

/** False if somebody else created this number first. */
const append = Effect.fnUntraced(function*({ folder, number }: Owned, entry: Entry) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const draft = path.join(folder, `draft-${process.pid}-${randomBytes(6).toString("hex")}`)
  yield* fs.writeFileString(draft, yield* Effect.orDie(Schema.encodeEffect(Entry)(entry)), { mode: 0o600 })
  return yield* fs.link(draft, path.join(folder, String(number))).pipe(
    Effect.as(true),
    Effect.catchIf(isRace, () => Effect.succeed(false)),
    Effect.ensuring(Effect.ignore(fs.remove(draft, { force: true })))
  )
})

// NotFound: the winner of another round swept the draft away
const isRace = (error: PlatformError.PlatformError) =>
  error.reason._tag === "AlreadyExists" || error.reason._tag === "NotFound"

const removeBelow = Effect.fnUntraced(function*(folder: string, number: number) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const names = yield* fs.readDirectory(folder)
  const old = names.filter((name) => !/^\d+$/.test(name) || Number(name) < number)
  yield* Effect.forEach(old, (name) => fs.remove(path.join(folder, name), { force: true }), { discard: true })
}, (effect) => Effect.ignore(effect))

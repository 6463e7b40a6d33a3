// @effect-diagnostics strictEffectProvide:off -- each test is an entry point of its own
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import { inspect } from "node:util"
import { EmbeddedPostgres } from "../../../src/store/EmbeddedPostgres.ts"
import * as Binaries from "../../../src/store/internal/Binaries.ts"
import * as ServerProgram from "../../../src/store/internal/ServerProgram.ts"
import { failure, folder, liveRoot, notes, query, serve } from "./embedded.ts"
import * as Program from "./program.ts"

describe("EmbeddedPostgres under other accounts", () => {
  liveRoot("runs as an ordinary user, as itself", () =>
    Effect.gen(function*() {
      const directory = yield* folder
      const fs = yield* FileSystem.FileSystem
      yield* fs.makeDirectory(directory)
      yield* fs.chown(directory, 65_534, 65_534)
      const owner = yield* Program.start("owner.ts", [directory], [
        "setpriv",
        "--reuid",
        "65534",
        "--regid",
        "65534",
        "--clear-groups",
        "--"
      ])
      yield* owner.send("go")
      const ready = yield* Program.readJson(owner)
      assert.strictEqual(ready["ready"], owner.pid, inspect(ready))
      const status = yield* fs.readFileString(`/proc/${Number(ready["server"])}/status`)
      assert.match(status, /^Uid:\t65534\t65534/m)
      process.kill(owner.pid, "SIGTERM")
      yield* owner.exited
      assert.deepStrictEqual(
        yield* serve({ directory }, notes),
        ["after the signal"],
        "root goes on as the data's owner"
      )
    }))

  liveRoot("drops root and every supplementary group for the server", () =>
    Effect.gen(function*() {
      const directory = yield* folder
      const fs = yield* FileSystem.FileSystem
      yield* serve(
        { directory },
        Effect.gen(function*() {
          const status = yield* fs.readFileString(`/proc/${(yield* EmbeddedPostgres).pid}/status`)
          assert.notMatch(status, /^Uid:.*\b0\b/m)
          assert.notMatch(status, /^Gid:.*\b0\b/m)
          assert.match(status, /^Groups:\s*$/m)
        })
      )
    }))

  liveRoot(
    "copies the programs once where its user cannot enter node_modules, and they run there",
    () =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const path = yield* Path.Path
        const installed = yield* Binaries.locate(Binaries.platformName(process.platform, process.arch))
        const home = yield* fs.makeTempDirectoryScoped({ directory: "/tmp", prefix: "ostinato-test-home-" })
        const open = path.dirname(yield* folder)
        const native = path.join(home, "native")
        yield* fs.copy(installed.native, native)
        yield* fs.chmod(path.join(native, "share"), 0o700)
        const hidden = {
          ...installed,
          native,
          postgres: path.join(native, "bin", "postgres"),
          initdb: path.join(native, "bin", "initdb")
        }
        const account = { uid: 65_534, gid: 65_534, drop: true }
        const options = { cache: path.join(open, "cache"), private: path.join(open, "private") }
        const copy = yield* Binaries.reachable(hidden, account, options)
        assert.isTrue(copy.postgres.startsWith(options.cache))
        const libraries = yield* Binaries.linkLibraries(copy, path.join(open, "lib"))
        const launch = yield* ServerProgram.launcher(account, { LD_LIBRARY_PATH: libraries })
        const answer = yield* ServerProgram.run(launch, copy.postgres, ["--version"])
        assert.match(answer.output, /^postgres \(PostgreSQL\) 18\./)
        const made = yield* fs.stat(copy.native)
        yield* Binaries.reachable(hidden, account, options)
        assert.deepStrictEqual((yield* fs.stat(copy.native)).ino, made.ino)
        assert.deepStrictEqual(yield* fs.readDirectory(options.cache), [path.basename(copy.native)])
        const noCache = { cache: path.join(home, "cache"), private: path.join(open, "private") }
        assert.isTrue((yield* Binaries.reachable(hidden, account, noCache)).postgres.startsWith(noCache.private))
      })
  )

  liveRoot(
    "keeps the database in a system folder when its user cannot enter the data directory",
    () =>
      Effect.gen(function*() {
        const directory = yield* folder
        const fs = yield* FileSystem.FileSystem
        const path = yield* Path.Path
        yield* fs.chmod(path.dirname(directory), 0o700)
        const pointer = path.join(directory, "postgres.location")
        yield* serve({ directory }, query((sql) => sql`create table note as select 'kept'::text as text`))
        const root = (yield* fs.readFileString(pointer)).trim()
        yield* Effect.addFinalizer(() => Effect.ignore(fs.remove(root, { recursive: true })))
        assert.match(root, /^\/var\/lib\/ostinato\/[0-9a-f]{16}-/)
        yield* fs.chmod(path.dirname(directory), 0o755)
        assert.deepStrictEqual(yield* serve({ directory }, notes), ["kept"], "the pointer is followed for ever after")
        yield* fs.rename(root, `${root}.moved`)
        const reason = yield* failure({ directory })
        yield* fs.rename(`${root}.moved`, root)
        assert.strictEqual(reason._tag, "DataDirectoryUnusable")
        assert.include(reason.message, `says that the database is in "${root}", but there is none`)
      })
  )
})

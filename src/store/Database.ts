/**
 * The one database of an application and the one client that all rooms share.
 *
 * With a URL it is that server (Postgres 15 or later), without one an embedded server (`EmbeddedPostgres`). Both are
 * seen through the same `SqlClient` and `PgClient` instance, so user code, enqueue, publish and completion can commit
 * together: an ambient transaction belongs to a client instance. The house's own statements have connections of their
 * own (`ControlSql`). Each connection says in `application_name` whose it is and what for: `ostinato:<role>:<node>`.
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
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as SqlClient from "effect/sql/SqlClient"
import { ControlSql } from "./ControlSql.ts"
import { type DatabaseNotTrusted, DatabaseTooOld, DatabaseUnavailable } from "./DatabaseError.ts"
import * as DatabaseSchema from "./DatabaseSchema.ts"
import { EmbeddedPostgres, type EmbeddedPostgresOptions } from "./EmbeddedPostgres.ts"
import type { EmbeddedPostgresError } from "./EmbeddedPostgresError.ts"
import * as BoundedScope from "./internal/BoundedScope.ts"
import * as ConnectionRole from "./internal/ConnectionRole.ts"
import * as Durability from "./internal/Durability.ts"
import * as FirstAnswer from "./internal/FirstAnswer.ts"
import * as ServerUrl from "./internal/ServerUrl.ts"
import * as Target from "./internal/Target.ts"
import * as Tls from "./internal/Tls.ts"
import * as Tx from "./Tx.ts"

/**
 * Options of `Database.layer`.
 *
 * @category models
 */
export interface DatabaseOptions {
  /**
   * A `postgres://` URL, also with a socket folder as host, and with `sslmode` and `sslrootcert` as libpq has them. Defaults
   * to the embedded server.
   */
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
  /** Largest number of connections of the house itself, besides one listener. Defaults to `4`. */
  readonly controlConnections?: number | undefined
  /**
   * File with the certificate of the authority that signed the server's. Together with `url` it makes TLS a duty: a
   * server that is not signed by it, or is for another host, is not spoken to. Defaults to `sslrootcert` of the URL.
   */
  readonly rootCertificate?: string | undefined
  /** This process' name in `application_name = ostinato:<role>:<node>`, cut to 63 bytes. Defaults to the process id. */
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
  /** For other processes. Connections of this one take `connection`. */
  readonly url: Redacted.Redacted
  /** This process' name among those that use the database. */
  readonly node: string
  /** A connection pooler stands between us and the server: sessions, and with them `LISTEN`, may be shared or lost. */
  readonly pooler: boolean
  /** How to open a connection outside the pools, named after its role, with the same guards and the same trust. */
  readonly connection: (role: ConnectionRole.ConnectionRole) => PgClient.PgClientConfig
  /** Never succeeds; fails when an embedded server ended by itself. With a URL it waits for ever. */
  readonly awaitExit: Effect.Effect<never, EmbeddedPostgresError>
}>()("ostinato/store/Database") {
  /**
   * The database with its pooled client. Connections are opened on demand and closed with the scope, before an embedded
   * server stops.
   */
  static readonly layer = (options: DatabaseOptions): Layer.Layer<
    Database | PgClient.PgClient | SqlClient.SqlClient | ControlSql,
    | DatabaseUnavailable
    | DatabaseTooOld
    | DatabaseNotTrusted
    | DatabaseSchema.SchemaNameInvalid
    | EmbeddedPostgresError,
    FileSystem.FileSystem | Path.Path
  > => options.url === undefined ? layerEmbedded(options) : layerUrl(options, options.url)

  /**
   * For an application that has a client of its own: that one stays the one that shares transactions, and the house opens
   * its own connections with the same settings. The client's connections keep the name that the application gave them.
   */
  static readonly layerClient = (
    options?: Pick<DatabaseOptions, "controlConnections" | "node" | "schema">
  ): Layer.Layer<
    Database | ControlSql,
    DatabaseUnavailable | DatabaseTooOld | DatabaseNotTrusted | DatabaseSchema.SchemaNameInvalid,
    PgClient.PgClient
  > => Layer.effectContext(adopt(options ?? {})).pipe(Layer.provide(Reactivity.layer))

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
    if (options.join === true) {
      yield* Effect.addFinalizer(
        leaveLast(Context.get(services, PgClient.PgClient), Context.get(services, Database).node)
      )
    }
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
const leaveLast = (sql: PgClient.PgClient, node: string) => (exit: Exit.Exit<unknown, unknown>) =>
  sql<{ others: number }>`
    SELECT count(*)::int AS others FROM pg_stat_activity
    WHERE application_name LIKE 'ostinato:%' AND NOT application_name = ANY(${ConnectionRole.namesOf(node)}::text[])`
    .pipe(
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
  const ssl = yield* Tls.read(server.url, target, options.rootCertificate)
  const settings: PgClient.PgClientConfig = {
    url: server.url,
    ...(ssl === undefined ? {} : { ssl }),
    connectTimeout: options.connectTimeout ?? "5 seconds"
  }
  const house = yield* furnish(options, settings, target, server)
  const { connection } = Context.get(house, Database)
  const client = yield* pool({ ...connection("user"), maxConnections: options.maxConnections ?? 8 }, target)
  return Context.add(Context.add(house, PgClient.PgClient, client), SqlClient.SqlClient, client)
})

const adopt = Effect.fn("Database.adopt")(
  function*(options: Pick<DatabaseOptions, "controlConnections" | "node" | "schema">) {
    const { config } = yield* PgClient.PgClient
    const { database = "", host = "localhost", port = 5432, username = "" } = config
    // names and JSON of the house are read as they were written
    const { transformJson: _json, transformQueryNames: _query, transformResultNames: _result, ...settings } = config
    const url = config.url ?? Redacted.make(`postgres://${encodeURIComponent(username)}@${host}:${port}/${database}`)
    const server: Server = { kind: "url", exclusive: false, url, awaitExit: Effect.never }
    return yield* furnish({ ...options, directory: "" }, settings, Target.read(url), server)
  }
)

/** Asks the server who it is, and opens the connections of the house. */
const furnish = Effect.fnUntraced(function*(
  options: DatabaseOptions,
  settings: PgClient.PgClientConfig,
  target: Target.Target,
  server: Server
) {
  const schema = yield* options.schema === undefined
    ? DatabaseSchema.DatabaseSchema
    : DatabaseSchema.check(options.schema)
  const node = options.node ?? String(process.pid)
  const named = (role: ConnectionRole.ConnectionRole) => ({
    ...settings,
    applicationName: ConnectionRole.applicationName(role, node)
  })
  const answer = yield* FirstAnswer.ask({ ...named("user"), startupParameters: guards.user }, target)
  if (answer.number < 150_000) return yield* new DatabaseTooOld({ target: target.name, version: answer.version })
  const connection = (role: ConnectionRole.ConnectionRole): PgClient.PgClientConfig =>
    // what one statement prepared is not there for the next, which may meet another session
    answer.pooler
      ? { ...named(role), prepare: false }
      : { ...named(role), startupParameters: role === "user" ? guards.user : guards.own }
  const control = yield* pool({ ...connection("control"), maxConnections: options.controlConnections ?? 4 }, target)
  if (server.kind === "url") yield* Durability.warn(control, target.name)
  const database = Database.of({
    kind: server.kind,
    exclusive: server.exclusive,
    describe: server.kind === "embedded" ? `embedded Postgres at ${options.directory}` : target.name,
    version: answer.version,
    url: server.url,
    node,
    pooler: answer.pooler,
    connection,
    awaitExit: server.awaitExit
  })
  return Context.make(Database, database).pipe(
    Context.add(ControlSql, control),
    Context.add(DatabaseSchema.DatabaseSchema, schema)
  )
})

const pool = (config: PgClient.PgPoolConfig, target: Target.Target) =>
  Effect.mapError(
    BoundedScope.provide("2 seconds")(PgClient.make(config)),
    (error) => FirstAnswer.unavailable(target, error)
  )

const guards = {
  user: { idle_in_transaction_session_timeout: "30s", lock_timeout: "10s" },
  own: {
    idle_in_transaction_session_timeout: "30s",
    lock_timeout: "2s",
    statement_timeout: "10s",
    // the server closes the connections of a machine that is gone 27 s after it last heard of it: they look like those of a
    // process that died, and not sooner than a lease allows
    tcp_keepalives_idle: "15",
    tcp_keepalives_interval: "4",
    tcp_keepalives_count: "3"
  }
}

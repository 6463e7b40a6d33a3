/** A database of its own for one test file, gone with it. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as Redacted from "effect/Redacted"
import { randomBytes } from "node:crypto"
import { connect } from "node:net"
import { text } from "node:stream/consumers"
import { Database } from "ostinato/store/Database"
import * as Migration from "ostinato/store/Migration"
import { inject } from "vitest"
import * as Cluster from "../fixtures/once/Cluster.ts"

/** On the server of the run, with the tables of these lines. */
export const layer = (...lines: ReadonlyArray<Migration.Line>) => furnished(shared, lines)

/** The same on a server of its own: for whoever makes roles, which belong to the server. */
export const layerAlone = (...lines: ReadonlyArray<Migration.Line>) => furnished(alone, lines)

const furnished = <E, R>(
  database: Layer.Layer<Layer.Success<typeof shared>, E, R>,
  lines: ReadonlyArray<Migration.Line>
) =>
  Layer.effectDiscard(Effect.forEach(lines, Migration.run)).pipe(
    Layer.provideMerge(database),
    Layer.provideMerge(NodeServices.layer)
  )

/** Of the run's server, for its own database `postgres`. */
const server = Effect.map(Effect.promise(() => text(connect(inject("postgres")))), (url) => new URL(url))

const admin = (url: URL, statement: string) =>
  Effect.scoped(Effect.flatMap(
    PgClient.makeClient({ url: Redacted.make(url.href) }),
    (sql) => sql.unsafe(statement)
  )).pipe(Effect.provide(Reactivity.layer), Effect.orDie)

const shared = Layer.unwrap(Effect.gen(function*() {
  const url = yield* server
  const name = `test_${randomBytes(8).toString("hex")}`
  yield* Effect.acquireRelease(
    admin(url, `CREATE DATABASE ${name}`),
    () => admin(url, `DROP DATABASE ${name} WITH (FORCE)`)
  )
  const own = new URL(url)
  own.pathname = `/${name}`
  return Database.layer({ url: Redacted.make(own.href), directory: "unused" })
  // without the warning that it would not survive a power cut
})).pipe(Layer.provide(Logger.layer([])))

const alone = Layer.unwrap(Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const directory = yield* fs.makeTempDirectoryScoped({ prefix: "ostinato-test-" })
  // the server's account has to pass through
  yield* fs.chmod(directory, 0o711)
  yield* Cluster.put(directory)
  return Database.layer({ directory, embedded: { settings: { fsync: "off" } } })
}))

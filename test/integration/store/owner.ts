/**
 * A process that owns an embedded server, for tests that kill it.
 *
 * Usage: `owner.ts <directory>`. Waits for a line on stdin, then starts and prints one JSON line: `{ ready, server }`
 * or `{ failed, message }`. Each further line `insert <text>` is answered by `{ inserted }`. On SIGINT or SIGTERM it
 * writes one more row after the signal, prints `{ drained }` and ends.
 */
// @effect-diagnostics strictEffectProvide:off -- this is an entry point
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { createInterface } from "node:readline"
import { Database } from "../../../src/store/Database.ts"
import { EmbeddedPostgres } from "../../../src/store/EmbeddedPostgres.ts"

const encode = Schema.encodeEffect(Schema.fromJsonString(Schema.Unknown))
const say = (message: unknown) => Effect.map(Effect.orDie(encode(message)), (text) => process.stdout.write(`${text}\n`))

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const nextLine = Effect.promise(() => lines.next()).pipe(
  Effect.flatMap(({ done, value }) => done === true ? Effect.never : Effect.succeed(value))
)

const Client = Layer.unwrap(Effect.map(EmbeddedPostgres, ({ url }) => PgClient.layer({ url })))
const Server = EmbeddedPostgres.layer({ directory: process.argv[2] ?? "" })

const insert = Effect.fn(function*(text: string) {
  const sql = yield* SqlClient.SqlClient
  yield* Database.transaction(sql`insert into note (text) values (${text})`)
})

const own = Effect.gen(function*() {
  const server = yield* EmbeddedPostgres
  const sql = yield* SqlClient.SqlClient
  yield* sql`create table if not exists note (text text not null)`
  yield* Effect.addFinalizer(() =>
    Effect.orDie(Effect.gen(function*() {
      yield* sql`select pg_sleep(0.2)`
      yield* insert("after the signal")
      yield* say({ drained: true })
    }))
  )
  yield* say({ ready: process.pid, server: server.pid })
  while (true) {
    const line = yield* nextLine
    if (line.startsWith("insert ")) yield* insert(line.slice(7))
    yield* say({ inserted: line })
  }
}).pipe(Effect.scoped)

const main = Effect.gen(function*() {
  yield* nextLine
  return yield* own.pipe(Effect.provide(Client.pipe(Layer.provideMerge(Server))))
}).pipe(
  Effect.catchTag("EmbeddedPostgresError", (error) => say({ failed: error.reason._tag, message: error.message })),
  Effect.provide(NodeServices.layer)
)

NodeRuntime.runMain(main, { disableErrorReporting: true })

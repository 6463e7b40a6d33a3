/**
 * A process that works on 100 items in chunks of ten with a checkpoint in Postgres, for a test that kills it.
 *
 * Usage: `chunker.ts <database url>`. Prints a JSON line `{ first }` when a chunk has been handled, and goes on for each
 * line on stdin.
 */
// @effect-diagnostics strictEffectProvide:off -- this is an entry point
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import { createInterface } from "node:readline"
import * as CheckpointStore from "../../../src/core/CheckpointStore.ts"
import * as Supervisor from "../../../src/core/Supervisor.ts"
import { Database } from "../../../src/store/Database.ts"
import * as PostgresCheckpointStore from "../../../src/store/PostgresCheckpointStore.ts"
import { handle } from "./handled.ts"

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()

const main = Effect.gen(function*() {
  const checkpoint = yield* CheckpointStore.at("chunker")
  yield* handle(checkpoint, (first) =>
    Effect.promise(() => {
      process.stdout.write(`{"first":${first}}\n`)
      return lines.next()
    }))
}).pipe(Effect.provide(
  PostgresCheckpointStore.layer().pipe(
    Layer.provide(Supervisor.layer),
    Layer.provideMerge(Database.layerClient()),
    Layer.provideMerge(PgClient.layer({ url: Redacted.make(process.argv[2] ?? "") })),
    // its answers are the only lines on stdout
    Layer.provide(Logger.layer([]))
  )
))

Effect.runFork(main)

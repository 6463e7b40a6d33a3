/** What the tests of the embedded server share: a folder, a server, a query, and why a start was refused. */
// @effect-diagnostics strictEffectProvide:off -- each test is an entry point of its own
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as PgClient from "@effect/sql-pg/PgClient"
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { EmbeddedPostgres, type EmbeddedPostgresOptions } from "../../../src/store/EmbeddedPostgres.ts"
import * as Cluster from "../../fixtures/once/Cluster.ts"

/** Only root can be several users. */
export const isRoot = process.getuid?.() === 0

/** A data directory that does not exist yet, in a folder that every user may enter. */
export const folder = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const made = yield* fs.makeTempDirectoryScoped({ directory: "/tmp", prefix: "ostinato-test-" })
  yield* fs.chmod(made, 0o755)
  return path.join(made, "data")
})

/** The same as an earlier start has left it: for tests that are not about the first one. */
export const usedFolder = Effect.tap(folder, Cluster.put)

/** Runs `use` while a server runs. */
export const serve = <A, E, R>(options: EmbeddedPostgresOptions, use: Effect.Effect<A, E, R>) =>
  Effect.provide(use, EmbeddedPostgres.layer(options))

/** Runs `use` with a client of the running server. */
export const query = <A, E, R>(use: (sql: PgClient.PgClient) => Effect.Effect<A, E, R>) =>
  Effect.flatMap(
    EmbeddedPostgres,
    ({ url }) => Effect.flatMap(PgClient.PgClient, use).pipe(Effect.provide(PgClient.layer({ url })))
  )

/** Texts of the table `note`, sorted. */
export const notes = query((sql) =>
  Effect.map(sql<{ text: string }>`select text from note order by text`, (rows) => rows.map((row) => row.text))
)

/** Why a start was refused. */
export const failure = (options: EmbeddedPostgresOptions) =>
  Effect.map(Effect.flip(serve(options, EmbeddedPostgres)), (error) => error.reason)

/** Waits for a condition. */
export const until = <E, R>(condition: Effect.Effect<boolean, E, R>) =>
  Effect.repeat(condition, { until: (met) => met, schedule: Schedule.spaced("5 millis") })

/** A test in real time with its own scope. */
export const live = <E>(name: string, test: () => Effect.Effect<void, E, NodeServices.NodeServices | Scope.Scope>) =>
  it.live(name, () => test().pipe(Effect.scoped, Effect.provide(NodeServices.layer)), 60_000)

/** A test that needs root, because only root can be several users. */
export const liveRoot: typeof live = (name, test) =>
  isRoot ? live(name, test) : it.skip(`${name} (skipped: needs root, this is user ${process.getuid?.()})`)

/**
 * Jobs in Postgres 15 or later: many nodes, and whatever crashes, what was acknowledged is there.
 *
 * The design in one line: an immutable body | a narrow hot row with exactly one index | what cannot run now | append-only
 * outcomes. A claim updates hot rows in place, a finish deletes them; nothing wide is rewritten. The statements of the hot
 * way are functions whose plan no statistics can change, and everything works behind a transaction pooler.
 *
 * `enqueue` and the writing operations of control join the transaction around them, if it is of the client that the layer
 * was built with; all else has the connections of the house. The database's clock is the only one.
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Supervisor } from "../../core/Supervisor.ts"
import { ControlSql } from "../../store/ControlSql.ts"
import { Database } from "../../store/Database.ts"
import { DatabaseSchema } from "../../store/DatabaseSchema.ts"
import type { Line } from "../../store/Migration.ts"
import { Notifier } from "../../store/Notifier.ts"
import * as cancel from "../internal/postgres/cancel.ts"
import * as claim from "../internal/postgres/claim.ts"
import * as enqueue from "../internal/postgres/enqueue.ts"
import * as finish from "../internal/postgres/finish.ts"
import * as graph from "../internal/postgres/graph.ts"
import * as handBack from "../internal/postgres/handBack.ts"
import * as Hints from "../internal/postgres/hints.ts"
import * as isolate from "../internal/postgres/isolate.ts"
import * as maintaining from "../internal/postgres/maintaining.ts"
import * as merge from "../internal/postgres/merge.ts"
import * as Names from "../internal/postgres/names.ts"
import * as owns from "../internal/postgres/owns.ts"
import * as progress from "../internal/postgres/progress.ts"
import * as promote from "../internal/postgres/promote.ts"
import * as Standbys from "../internal/postgres/standby.ts"
import * as steering from "../internal/postgres/steering.ts"
import type { StoreContext } from "../internal/postgres/StoreContext.ts"
import * as sweep from "../internal/postgres/sweep.ts"
import * as tables from "../internal/postgres/tables.ts"
import * as Wakes from "../internal/postgres/wakes.ts"
import type { JobStoreUnavailable } from "../JobError.ts"
import { JobStore } from "../JobStore.ts"

/**
 * The tables behind the store.
 *
 * @category migrations
 */
export const migrations: Line = tables.migrations

/** What all parts share. */
const context = Effect.gen(function*() {
  // rows and JSON are read as they were written, whatever names the application's client transforms
  const user = (yield* PgClient.PgClient).withoutTransforms()
  const house = (yield* ControlSql).withoutTransforms()
  const s = `"${yield* DatabaseSchema}"`
  return {
    user,
    house,
    s,
    names: Names.make(house, s),
    hints: Hints.make(),
    limits: new Map(),
    notifier: yield* Notifier,
    supervisor: yield* Supervisor,
    database: yield* Database
  } satisfies StoreContext
})

const make = Effect.fnUntraced(function*(options: Options) {
  const ctx = yield* context
  const schema = yield* DatabaseSchema
  const wakes = yield* Wakes.make(ctx)
  const ends = finish.make(ctx, wakes)
  const claims = yield* claim.make(ctx)
  const standbys = Standbys.make()
  return JobStore.of({
    ...(yield* enqueue.make(ctx, wakes, claims, standbys)),
    ...merge.make(ctx),
    claim: claims.claim,
    standby: standbys.standby,
    ...ends,
    ...handBack.make(ctx, wakes, ends.finish),
    ...isolate.make(ctx),
    ...owns.make(ctx),
    ...progress.make(ctx, wakes),
    ...graph.make(ctx),
    ...promote.make(ctx, wakes),
    ...sweep.make(ctx, wakes),
    ...cancel.make(ctx, wakes),
    ...steering.make(ctx, schema, wakes),
    ...(yield* maintaining.make(ctx, schema, wakes, options)),
    wakes: Wakes.queueWakes(ctx)
  })
})

/**
 * @category models
 */
export interface Options extends maintaining.Options {}

/**
 * The store on the database of its context. Work that one node is enough for is done by one of them where the table of
 * `Lease` is there, and by all of them where it is not.
 *
 * @category layers
 */
export const layer = (options?: Options): Layer.Layer<
  JobStore,
  JobStoreUnavailable,
  PgClient.PgClient | ControlSql | Database | Notifier | Supervisor
> => Layer.effect(JobStore, make(options ?? {}))

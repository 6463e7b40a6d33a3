/**
 * A process that joins, claims what is in queue `work` and writes a line into `written` each 20 ms for as long as its
 * lease can be valid. Says `claimed` with the ids, and `lost` when it is; then it leaves. Arguments: URL of the database,
 * lease, beat and the longest stall in milliseconds.
 */
// @effect-diagnostics strictEffectProvide:off -- this is an entry point
// @effect-diagnostics preferSchemaOverJson:off -- what it says is for one test
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Supervisor from "../../../src/core/Supervisor.ts"
import * as members from "../../../src/jobs/internal/postgres/members.ts"
import { ControlSql } from "../../../src/store/ControlSql.ts"
import { Database } from "../../../src/store/Database.ts"
import { Notifier } from "../../../src/store/Notifier.ts"

const [url = "", lease = "", beat = "", stall = "60000"] = process.argv.slice(2)

const say = (event: object) => Effect.sync(() => process.stdout.write(`${JSON.stringify(event)}\n`))

const main = Effect.gen(function*() {
  const sql = yield* PgClient.PgClient
  const { join } = yield* members.make({
    house: yield* ControlSql,
    schema: "ostinato",
    database: yield* Database,
    notifier: yield* Notifier,
    supervisor: yield* Supervisor.Supervisor,
    timing: members.timing({
      lease: `${Number(lease)} millis`,
      beat: `${Number(beat)} millis`,
      stallLimit: `${Number(stall)} millis`
    })
  })
  const scope = yield* Scope.make()
  const member = yield* Scope.provide(join({ node: "child", info: {}, serves: {} }), scope)
  const claimed = yield* sql<{ id: string }>`
    SELECT c.job_id::text AS id FROM ostinato.queue q,
      ostinato.claim(q.id, 100, ${member.id}, (-32768)::smallint, -1, -1) c WHERE q.name = 'work'`
  yield* say({ event: "claimed", ids: claimed.map(({ id }) => id), member: member.id })
  yield* Effect.forkScoped(Effect.forever(Effect.gen(function*() {
    if (members.isHeld(member)) yield* sql`INSERT INTO written (member) VALUES (${member.id})`
    yield* Effect.sleep("20 millis")
  })))
  yield* member.lost
  yield* say({ event: "lost" })
  yield* Scope.close(scope, Exit.void)
  return yield* Effect.never
})

const layer = Notifier.layer().pipe(
  Layer.provideMerge(Supervisor.layer),
  Layer.provideMerge(Database.layer({ url: Redacted.make(url), directory: "/nonexistent" })),
  Layer.provide(NodeServices.layer),
  // the lines on stdout are for whoever started this
  Layer.provideMerge(Logger.layer([]))
)

NodeRuntime.runMain(Effect.provide(Effect.scoped(main), layer))

/** The parts of the Postgres store on a database of their own, and jobs put into the tables as a store would. */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Supervisor from "ostinato/core/Supervisor"
import { migrations } from "ostinato/jobs/stores/Postgres"
import { Database } from "ostinato/store/Database"
import * as Lease from "ostinato/store/Lease"
import { Notifier } from "ostinato/store/Notifier"
import * as loss from "../../../src/jobs/internal/loss.ts"
import * as members from "../../../src/jobs/internal/postgres/members.ts"
import * as rescue from "../../../src/jobs/internal/postgres/rescue.ts"
import { ControlSql } from "../../../src/store/ControlSql.ts"
import * as TestDatabase from "../../contract/TestDatabase.ts"

export const layer = Layer.mergeAll(Notifier.layer(), Lease.Lease.layer()).pipe(
  Layer.provideMerge(Layer.merge(Supervisor.layer, TestDatabase.layer(Lease.migrations, migrations)))
)

/** With a thread that beats already: until it does, a lease this short may be over. */
export const makeMembers = (lease: members.LeaseOptions = { lease: "3 seconds", beat: "500 millis" }) =>
  Effect.gen(function*() {
    const sql = yield* PgClient.PgClient
    const timing = members.timing(lease)
    const made = yield* members.make({
      house: yield* ControlSql,
      schema: "ostinato",
      database: yield* Database,
      notifier: yield* Notifier,
      supervisor: yield* Supervisor.Supervisor,
      timing
    })
    const beats = Effect.scoped(Effect.gen(function*() {
      const { id, lost } = yield* made.join({ node: "first", info: {}, serves: {} })
      const renewed = Effect.repeat(
        Effect.delay(
          sql`
            SELECT FROM ostinato.worker WHERE id = ${id} AND
              expires_at > started_at + ${timing.leaseMs + 1} * interval '1 millisecond'`,
          "20 millis"
        ),
        { until: (rows) => rows.length > 0 }
      )
      return yield* Effect.raceFirst(Effect.as(renewed, true), Effect.as(lost, false))
    }))
    yield* Effect.repeat(beats, { until: (beating) => beating })
    return made
  })

export const makeRescue = Effect.gen(function*() {
  return rescue.make({
    house: yield* ControlSql,
    schema: "ostinato",
    lease: yield* Lease.Lease,
    wake: () => Effect.void,
    nudge: () => Effect.void
  })
})

/** Puts jobs into a queue; gives their ids. */
export const enqueue = (queue: string, count: number) =>
  Effect.gen(function*() {
    const sql = yield* PgClient.PgClient
    const rows = yield* sql<{ id: string }>`
      SELECT ostinato.enqueue_job(${queue}, 'task', jsonb_build_object('n', n))::text AS id FROM generate_series(1, ${count}) n`
    return rows.map(({ id }) => id)
  })

/** What is known of a job whose workers died so often. */
export const lost = (id: string, deaths: number) =>
  Effect.flatMap(PgClient.PgClient, (sql) =>
    sql`
    WITH job AS (
      UPDATE ostinato.ready SET lost = ${deaths}, attempt = ${deaths}, epoch = ${deaths} WHERE job_id = ${id}::bigint
      RETURNING job_id
    )
    INSERT INTO ostinato.failure (job_id, epoch, attempt, cause)
    SELECT job_id, n - 1, n, ${sql.json(loss.died)}::jsonb FROM job, generate_series(1, ${deaths}::int) n`)

/** What a worker says that has only this job in hand. */
export const isolate = (id: string, member: number) =>
  Effect.flatMap(PgClient.PgClient, (sql) =>
    sql`
    UPDATE ostinato.worker w SET alone_job = r.job_id, alone_epoch = r.epoch
    FROM ostinato.ready r WHERE r.job_id = ${id}::bigint AND w.id = ${member}`)

/** Claims jobs for a member. */
export const claim = (queue: string, member: number, limit = 100) =>
  Effect.flatMap(PgClient.PgClient, (sql) =>
    sql<{ job_id: bigint; epoch: number; attempt: number }>`
    SELECT c.job_id, c.epoch, c.attempt FROM ostinato.queue q,
      ostinato.claim(q.id, ${limit}, ${member}, (-32768)::smallint, -1, -1) c WHERE q.name = ${queue}`)

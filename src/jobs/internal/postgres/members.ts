/**
 * The processes that work, one row each with one lease for all that they run.
 *
 *   joined --beat--> joined --leave--> no row
 *   joined --no beat for a lease | its server process is gone--> dead --rescue--> no row
 *
 * A member that finds its lease lost is dead for good; its worker joins again, as another member. Its node's name is for
 * people: two processes with the same name are two members. Leaving waits for nothing: where jobs are still held the lease
 * ends at once, so that the next rescue of any node takes them back.
 *
 * Who leaves is alive, so what it holds did not end it, nor what was taken from it as from a dead one: the history of those
 * jobs is put right. What was discarded meanwhile stays so, for its end is told already, and others went on from there: it
 * is for people to run it again. A process whose event loop stood still for so long that it gave up its lease says nothing:
 * one of its jobs may have held it up.
 */
import type * as PgClient from "@effect/sql-pg/PgClient"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { SqlError } from "effect/sql/SqlError"
import * as Drain from "../../../core/Drain.ts"
import * as LeaseTiming from "../../../core/LeaseTiming.ts"
import type { Supervisor } from "../../../core/Supervisor.ts"
import type { Database } from "../../../store/Database.ts"
import type { Notifier } from "../../../store/Notifier.ts"
import * as StoredText from "../../../store/StoredText.ts"
import type { Member } from "../../JobStore.ts"
import * as loss from "../loss.ts"
import * as heartbeat from "./heartbeat.ts"
import { now, type Timing } from "./heartbeatProtocol.ts"
import * as mail from "./mail.ts"

/**
 * How long the lease of a process lasts, and how it is kept.
 */
export interface LeaseOptions {
  /** How long jobs are held by a process that gives no sign of life. Defaults to `30 seconds`; shorter ones are for tests. */
  readonly lease?: Duration.Input | undefined
  /** Time between two renewals. Defaults to a sixth of the lease. */
  readonly beat?: Duration.Input | undefined
  /** A process whose event loop has stood still for so long gives up its lease. Defaults to `5 minutes`. */
  readonly stallLimit?: Duration.Input | undefined
}

/** 22 s of 30: together with 5 s that an unanswered statement may take longer, 8 s are left to stop in. */
const giveUpAfter = 22 / 30

export const timing = (options: LeaseOptions): Timing => {
  const millis = (input: Duration.Input) => Duration.toMillis(Duration.fromInputUnsafe(input))
  const leaseMs = millis(options.lease ?? LeaseTiming.duration)
  return {
    leaseMs,
    beatMs: options.beat === undefined ? leaseMs / 6 : millis(options.beat),
    giveUpMs: leaseMs * giveUpAfter,
    stallLimitMs: millis(options.stallLimit ?? "5 minutes")
  }
}

/** A member of this process, as the driver knows it. */
export interface OwnMember extends Member {
  /** Whether its lease can still be valid: asked before anything is claimed, also right after the process was stopped. */
  readonly held: () => boolean
}

/** Longest wait for the first beat: without it a process that dies is found by its lease alone. */
const firstBeat = "5 seconds"

/** Whether a member may claim. What came from elsewhere is left to the database. */
export const isHeld = (member: Member): boolean => {
  const { held } = member as Partial<OwnMember>
  return held === undefined || held()
}

export const make = Effect.fnUntraced(function*(options: {
  readonly house: PgClient.PgClient
  readonly schema: string
  readonly database: Database["Service"]
  readonly notifier: Notifier["Service"]
  readonly supervisor: Supervisor["Service"]
  readonly timing: Timing
}) {
  const { database, house, notifier, schema, supervisor, timing } = options
  const s = house(schema)
  const beats = yield* heartbeat.make(options)

  const register = (node: string, info: Schema.Json, serves: Readonly<Record<string, ReadonlyArray<string>>>) => {
    const queues = Object.keys(serves).map(StoredText.text)
    return Effect.flatMap(
      house<{ id: number }>`
        WITH w AS (
          INSERT INTO ${s}.worker (node, expires_at, info, serves, witness_pid, witness_start)
          SELECT ${StoredText.text(node)}, now() + ${timing.leaseMs} * interval '1 millisecond',
            ${house.json(StoredText.json(info))}::jsonb, ${
        house.json(StoredText.json(serves))
      }::jsonb, a.pid, a.backend_start
          FROM (VALUES (1)) AS one LEFT JOIN pg_stat_get_activity(pg_backend_pid()) a ON NOT ${database.pooler}::boolean
          RETURNING id, node
        ), n AS (INSERT INTO ${s}.node (worker_id, name) SELECT id, node FROM w
        ), q AS (
          INSERT INTO ${s}.queue (name) SELECT name FROM unnest(${queues}::text[]) AS name ORDER BY name
          ON CONFLICT DO NOTHING
        )
        SELECT id FROM w`,
      ([row]) =>
        row === undefined ? Effect.die(new Error("a row that was inserted did not come back")) : Effect.succeed(row.id)
    )
  }

  // the lock waits for a claim or a rescue under way, so that what they did is seen
  const signOff = (id: number, hung: boolean) =>
    house.withTransaction(Effect.gen(function*() {
      yield* house`SELECT FROM ${s}.worker WHERE id = ${id} FOR UPDATE`
      yield* house`
        WITH held AS MATERIALIZED (SELECT EXISTS (SELECT FROM ${s}.ready WHERE worker_id = ${id}) AS any_job
        ), gone AS (DELETE FROM ${s}.worker WHERE id = ${id} AND NOT (SELECT any_job FROM held)
        ), cleared AS (
          UPDATE ${s}.failure f SET cause = f.cause || ${house.json(loss.lapsed)}::jsonb
          FROM ${s}.node n, unnest(n.blamed_jobs, n.blamed_epochs) AS b(job_id, epoch)
          WHERE n.worker_id = ${id} AND NOT ${hung}::boolean AND f.job_id = b.job_id AND f.epoch = b.epoch
            AND f.cause ->> 'tag' = ${loss.died.tag}
        ), name AS (
          UPDATE ${s}.node SET since = now(), blamed_jobs = NULL, blamed_epochs = NULL WHERE worker_id = ${id}
        ), mail AS (DELETE FROM ${s}.control WHERE worker_id = ${id} AND NOT (SELECT any_job FROM held))
        UPDATE ${s}.worker SET expires_at = now() - interval '1 second', resigned = NOT ${hung}::boolean, hung = ${hung}::boolean
        WHERE id = ${id} AND (SELECT any_job FROM held)`
    }))

  // those that left while the database was away, and whether they hung
  const unsaid = new Map<number, boolean>()
  const said = (id: number, hung: boolean) => Effect.tap(signOff(id, hung), () => Effect.sync(() => unsaid.delete(id)))
  const leave = (id: number, hung: boolean) =>
    Effect.sync(() => unsaid.set(id, hung)).pipe(
      Effect.andThen(said(id, hung)),
      Effect.catchCause((cause) =>
        Effect.logWarning(`worker ${id} could not be signed off: its lease runs out`, cause)
      ),
      Drain.atMost("2 seconds"),
      Effect.asVoid
    )
  yield* supervisor.start(
    "sign-offs of job workers",
    Effect.withTracerEnabled(
      Effect.forever(Effect.delay(
        Effect.suspend(() =>
          Drain.atMost("2 seconds")(Effect.ignore(Effect.forEach([...unsaid], ([id, hung]) => said(id, hung))))
        ),
        timing.beatMs
      )),
      false
    )
  )

  const join = Effect.fnUntraced(
    function*(
      { info, node, serves }: {
        readonly node: string
        readonly info: Schema.Json
        readonly serves: Readonly<Record<string, ReadonlyArray<string>>>
      }
    ): Effect.fn.Return<OwnMember, SqlError, Scope.Scope> {
      const since = now()
      let hung = () => false
      const id = yield* Effect.acquireRelease(
        register(node, info, serves),
        (id) => Effect.suspend(() => leave(id, hung()))
      )
      const enrolment = yield* beats.enrol(id, since)
      hung = enrolment.hung
      yield* supervisor.start(`mail of worker ${id}`, mail.hear(notifier, id, enrolment))
      // the first job may end the process at once: before it is claimed, the server has to know whose process that was
      yield* Effect.timeoutOption(enrolment.beaten, firstBeat)
      return {
        id,
        node,
        mail: Effect.map(enrolment.letters, (letters) => letters.map(mail.read)),
        acknowledge: (ids) => Effect.sync(() => enrolment.acknowledge(ids)),
        lost: enrolment.lost,
        held: enrolment.held
      }
    },
    Effect.withTracerEnabled(false)
  )

  const list = Effect.map(
    house<{ id: number; node: string; serves: unknown }>`
      SELECT id, node, serves FROM ${s}.worker WHERE expires_at > now() ORDER BY id`,
    (rows) => rows.map(({ id, node, serves }) => ({ id, node, serves: readServes(serves) }))
  )

  /** Takes those for dead that joined before the server began: nobody who is alive can have done so. */
  const expireOlder = Effect.asVoid(house`
    UPDATE ${s}.worker SET expires_at = now() - interval '1 second'
    WHERE started_at < pg_postmaster_start_time() AND expires_at > now()`)

  return { join, list, expireOlder }
})

// a newer version, or a hand, may have written something else
const decodeServes = Schema.decodeUnknownOption(Schema.Record(Schema.String, Schema.Array(Schema.String)))

const readServes = (serves: unknown) => {
  const read = decodeServes(serves)
  return read._tag === "Some" ? read.value : {}
}

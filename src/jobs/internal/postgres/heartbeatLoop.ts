/**
 * Renews the leases of the members of this process, and brings their mail: all of them with one statement each beat, over
 * a connection of its own.
 *
 *   beating --statement failed, or took too long--> connecting anew, at first soon, then every 2 s --> beating
 *   beating --the event loop stands still for too long--> silent, not connected --it turns again--> beating
 *   member --no row, or its lease ran out | no renewal for too long--> lost, for good
 *
 * It knows nothing of what runs, and in a thread of its own (`heartbeat.worker.ts`) nothing that runs can stop it.
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Queue from "effect/Queue"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Drain from "../../../core/Drain.ts"
import * as SqlFault from "../../../store/SqlFault.ts"
import { type Letter, millisSince, now, type Order, type Report, type Settings, share } from "./heartbeatProtocol.ts"

interface Loop {
  readonly take: (order: Order) => void
  /** Ends when it is told to stop. */
  readonly run: Effect.Effect<void>
}

class BeatFailed extends Schema.TaggedError<BeatFailed>()("BeatFailed", { detail: Schema.String }) {}

interface Enrolled {
  /** When its newest renewal began. */
  since: bigint
  /** Mail that it has acknowledged and that may still be there. */
  readonly acknowledged: Set<string>
}

export const make = Effect.fnUntraced(function*(
  settings: Settings,
  connection: PgClient.PgClientConfig,
  post: (report: Report) => void
) {
  const { recordsBackend, schema, timing } = settings
  const shared = share(settings.shared)
  const members = new Map<number, Enrolled>()
  const woken = yield* Queue.sliding<void>(1)
  const stopped = yield* Latch.make(false)
  const watchEvery = Math.min(250, timing.beatMs / 2)
  let turnedAt = now()
  // for how long it has not turned while this thread looked on: while the whole process is stopped nobody does
  let stillMs = 0

  const take = (order: Order) => {
    if (order.kind === "enrol") members.set(order.member, { since: order.since, acknowledged: new Set() })
    else if (order.kind === "leave") members.delete(order.member)
    else if (order.kind === "stop") stopped.openUnsafe()
    else if (order.kind === "acknowledge") {
      for (const job of order.jobs) members.get(order.member)?.acknowledged.add(job)
    }
    Queue.offerUnsafe(woken, undefined)
  }
  const lose = (member: number, why: string) => {
    if (members.delete(member)) post({ kind: "lost", member, why })
  }

  const beat = Effect.fnUntraced(
    function*(sql: PgClient.PgClient) {
      const s = sql(schema)
      const ids = Array.from(members.keys())
      const gone = Array.from(members).flatMap(([member, { acknowledged }]) =>
        Array.from(acknowledged, (job) => ({ member, job }))
      )
      const began = now()
      const rows = yield* sql<{ id: number; alive: boolean; letters: ReadonlyArray<Letter> }>`
        WITH gone AS MATERIALIZED (
          SELECT * FROM unnest(${gone.map(({ member }) => member)}::int[], ${gone.map(({ job }) => job)}::bigint[])
            AS g(worker_id, job_id)
        ), backend AS MATERIALIZED (
          SELECT pid, backend_start FROM pg_stat_get_activity(pg_backend_pid()) WHERE ${recordsBackend}::boolean
        ), mine AS MATERIALIZED (
          SELECT id FROM ${s}.worker WHERE id = ANY(${ids}::int[]) AND expires_at > now() ORDER BY id FOR NO KEY UPDATE
        ), kept AS (
          UPDATE ${s}.worker w SET expires_at = now() + ${timing.leaseMs} * interval '1 millisecond',
            backend_pid = (SELECT pid FROM backend), backend_start = (SELECT backend_start FROM backend), hung = false
          FROM mine WHERE w.id = mine.id AND w.expires_at > now() RETURNING w.id
        ), read AS (
          DELETE FROM ${s}.control c USING gone g WHERE c.worker_id = g.worker_id AND c.job_id = g.job_id
        )
        SELECT m.id, EXISTS (SELECT FROM kept k WHERE k.id = m.id) AS alive, coalesce((
          SELECT jsonb_agg(jsonb_build_object('job', c.job_id::text, 'reason', c.reason) ORDER BY c.job_id)
          FROM ${s}.control c WHERE c.worker_id = m.id
            AND NOT EXISTS (SELECT FROM gone g WHERE g.worker_id = c.worker_id AND g.job_id = c.job_id)
        ), '[]') AS letters
        FROM unnest(${ids}::int[]) AS m(id)`
      shared.renewed(began)
      for (const { job, member } of gone) members.get(member)?.acknowledged.delete(job)
      for (const { alive, id, letters } of rows) {
        const member = members.get(id)
        if (member === undefined) continue
        if (alive) member.since = began
        else lose(id, "it was not renewed in time, or another process has taken it for dead")
        if (alive) post({ kind: "mail", member: id, letters, silences: shared.silences() })
      }
    },
    Effect.mapError((error) => new BeatFailed({ detail: SqlFault.explain(error) })),
    Effect.timeoutOrElse({
      duration: patience,
      orElse: () => Effect.fail(new BeatFailed({ detail: `the database did not answer for ${patience}` }))
    })
  )

  /** Other connections of the process still stand: they are not to count as signs of life. */
  const giveUp = (sql: PgClient.PgClient) =>
    sql`UPDATE ${sql(schema)}.worker SET hung = true WHERE id = ANY(${Array.from(members.keys())}::int[])`.pipe(
      Effect.timeoutOption(patience),
      Effect.ignore
    )

  let hasBeaten = false
  const isHung = () => stillMs > timing.stallLimitMs
  /** `false`: the event loop stands still. */
  const turn = Effect.fnUntraced(function*(sql: PgClient.PgClient) {
    if (isHung()) {
      shared.silence()
      post({ kind: "silent", ms: millisSince(turnedAt) })
      yield* giveUp(sql)
      return false
    }
    if (members.size > 0) {
      yield* beat(sql)
      hasBeaten = true
    }
    yield* Effect.timeoutOption(Queue.take(woken), timing.beatMs)
    return true
  })

  const connect = PgClient.makeClient(connection).pipe(
    Effect.provideServiceEffect(Reactivity.Reactivity, Reactivity.make),
    Effect.mapError((error) => new BeatFailed({ detail: SqlFault.explain(error) }))
  )
  // the end of a connection to a server that hangs would hold up the next one
  const session = Effect.acquireUseRelease(
    Scope.make(),
    (scope) =>
      Effect.flatMap(Scope.provide(connect, scope), (sql) => Effect.repeat(turn(sql), { while: (beats) => beats })),
    (scope) => Drain.atMost("500 millis")(Scope.close(scope, Exit.void))
  )
  const beats = Effect.forever(Effect.gen(function*() {
    hasBeaten = false
    // it looks like a process that died: that is what others are to think of one that hangs
    while (isHung()) yield* Effect.sleep(watchEvery)
    yield* session.pipe(
      Effect.tapError(({ detail }) => Effect.sync(() => post({ kind: "away", detail }))),
      Effect.retry({ while: () => !hasBeaten, schedule: backoff }),
      Effect.ignore
    )
    yield* Effect.sleep("50 millis")
  }))

  const watch = Effect.gen(function*() {
    let turns = shared.turns()
    let lookedAt = now()
    while (true) {
      yield* Effect.sleep(watchEvery)
      stillMs += Math.min(millisSince(lookedAt), 4 * watchEvery)
      lookedAt = now()
      if (turns !== shared.turns()) {
        const ms = millisSince(turnedAt)
        if (ms > stallMs) post({ kind: "stalled", ms })
        turns = shared.turns()
        turnedAt = now()
        stillMs = 0
      }
      for (const [member, { since }] of members) {
        if (millisSince(since) > timing.giveUpMs) lose(member, "it could not be renewed in time")
      }
    }
  })

  const loop: Loop = { take, run: Effect.raceAllFirst([stopped.await, beats, watch]) }
  return loop
})

const patience = "2 seconds"

// what is worth a line in the log
const stallMs = 1000

const backoff = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("2 seconds")]).pipe(Schedule.jittered)

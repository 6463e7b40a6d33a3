/**
 * Takes back the jobs of dead workers. Every node does so, as often as it likes: a worker is taken by one of them.
 *
 *   lease over | server processes gone in two sweeps --> row locked --> jobs available, discarded or cancelled --> no row
 *
 * Two statements in one transaction: the second sees what was claimed until the first had its lock. A claim locks the row
 * of its worker, so it commits before the rescue, or claims nothing. A job whose workers died too often is discarded, for
 * it may be what ends them; one that was to be cancelled is cancelled.
 *
 * The server knows at once when a process is gone, as the kernel closes all its connections. Of each worker two are known,
 * that of the heartbeat and a witness. While one of them stands, the process is stopped or cut off, and did not die; nor did
 * one that said itself that it lives. One that said that its event loop stands still counts as dead. Connections are only
 * looked at where they are not shared, and not in the first 10 s of a server, which began without any.
 *
 * Nothing tells a process that was stopped while all of its connections were cut from one that died, so it counts as dead:
 * the attempts are noted with its name, until it comes back and proves that wrong (`members.ts`). Only where the server
 * itself was restarted, nobody is to blame for having been alone. A job was alone if its worker said so and no other worker
 * of the same process had any: what several workers of one process run is judged as in company.
 */
import type * as PgClient from "@effect/sql-pg/PgClient"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import { Database } from "../../../store/Database.ts"
import type { Lease } from "../../../store/Lease.ts"
import { JobId } from "../../Job.ts"
import type { Rescued } from "../../JobStore.ts"
import * as loss from "../loss.ts"
import { alone } from "./alone.ts"

const none = { woken: [], rescued: [] }

const orphansEvery = Duration.minutes(10)

const fates = { a: "available", f: "discarded", x: "cancelled" } as const

export const make = (options: {
  readonly house: PgClient.PgClient
  readonly schema: string
  readonly lease: Lease["Service"]
  /** Wakes whoever waits for these queues, 0 among them for what is due. */
  readonly wake: (queues: ReadonlyArray<number>) => Effect.Effect<void>
  /** Asks a worker to beat at once: it may be alive and only have lost its connection, and then it records its new one. */
  readonly nudge: (worker: number) => Effect.Effect<void>
  /** How long after its start a server is not asked whose connections it has. Defaults to `10 seconds`. */
  readonly settling?: Duration.Input | undefined
}) => {
  const { house, lease, nudge, schema, wake } = options
  const settling = Duration.toSeconds(Duration.fromInputUnsafe(options.settling ?? "10 seconds"))
  const s = house(schema)
  const transaction = <A, E>(work: Effect.Effect<A, E>) =>
    Effect.provideService(Database.transaction(work), SqlClient.SqlClient, house)
  // workers that the sweep before this one found without their server process, and which that was: one whose connections
  // are cut again and again beats over another each time, and is alive
  let absent: ReadonlyArray<string> = []
  let orphansAt: bigint | undefined

  // a role that may not see when others began sees nothing here: they count as present
  const isPresent = house`NOT w.hung AND (
    EXISTS (SELECT FROM pg_stat_get_activity(w.backend_pid) a
      WHERE coalesce(a.backend_start, w.backend_start) = w.backend_start)
    OR EXISTS (SELECT FROM pg_stat_get_activity(w.witness_pid) a
      WHERE coalesce(a.backend_start, w.witness_start) = w.witness_start))`

  /** Whether there is a dead worker, as far as one statement sees: this is asked every 2.5 s by every node. */
  const look = Effect.gen(function*() {
    const [seen] = yield* house<{ absent: ReadonlyArray<string>; dead: boolean }>`
      WITH absent AS MATERIALIZED (
        SELECT w.id, concat_ws(' ', w.id, w.backend_pid, extract(epoch FROM w.backend_start)) AS name FROM ${s}.worker w
        WHERE w.backend_pid IS NOT NULL AND w.expires_at > now()
          AND pg_postmaster_start_time() < now() - ${settling}::float8 * interval '1 second'
          AND NOT (${isPresent})
        ORDER BY w.id FOR UPDATE SKIP LOCKED
      ), expired AS (
        UPDATE ${s}.worker w SET expires_at = now() - interval '1 second'
        FROM absent a WHERE w.id = a.id AND a.name = ANY(${absent}::text[]) RETURNING w.id
      )
      SELECT ARRAY(SELECT name FROM absent) AS absent,
        EXISTS (SELECT FROM expired) OR EXISTS (SELECT FROM ${s}.worker WHERE expires_at < now()) AS dead`
    const names = seen?.absent ?? []
    const missing = names.filter((name) => !absent.includes(name))
    yield* Effect.forEach(missing, (name) => nudge(Number.parseInt(name, 10)), { discard: true })
    absent = names
    return seen?.dead === true
  })

  const takeBack = transaction(Effect.gen(function*() {
    const over = yield* house<{ id: number; died: boolean }>`
      SELECT w.id, NOT w.resigned AND NOT (${isPresent}) AS died
      FROM ${s}.worker w WHERE w.expires_at < now() ORDER BY w.id FOR UPDATE SKIP LOCKED`
    if (over.length === 0) return none
    const ids = over.map(({ id }) => id)
    const dead = over.flatMap(({ died, id }) => died ? [id] : [])
    const rows = yield* house<
      { id: string; queue: string; queueId: number; fate: "a" | "f" | "x"; settles: boolean; limited: boolean }
    >`
      WITH own AS MATERIALIZED (
        SELECT r.ctid AS tid, r.job_id, r.worker_id, r.epoch AS was, r.worker_id = ANY(${dead}::int[]) AS died,
          CASE WHEN c.job_id IS NOT NULL THEN 'x'
            WHEN (r.attempt < b.max_attempts) IS NOT TRUE THEN 'f'
            WHEN r.worker_id = ANY(${dead}::int[]) AND r.lost + 1 >= y.bound AND 1 + (
              SELECT count(*) FILTER (WHERE l.tag = ${loss.died.tag}) FROM (
                SELECT f.cause ->> 'tag' AS tag FROM ${s}.failure f
                WHERE f.job_id = r.job_id AND f.cause ->> 'kind' = ${loss.died.kind}
                  AND f.cause ->> 'tag' IN (${loss.died.tag}, ${loss.lapsed.tag})
                -- of those since the attempts of the job were last counted anew
                ORDER BY f.epoch DESC LIMIT r.lost
              ) l) >= y.bound THEN 'f'
            ELSE 'a' END AS fate,
          r.claimed_at, c.reason, coalesce(b.children, false) OR a.job_id IS NOT NULL AS settles
        FROM ${s}.ready r
        LEFT JOIN ${s}.job b ON b.id = r.job_id
        LEFT JOIN ${s}.control c ON c.worker_id = r.worker_id AND c.job_id = r.job_id
        LEFT JOIN ${s}.awaited a ON a.job_id = r.job_id
        CROSS JOIN LATERAL (
          -- a server that was restarted closed every connection: that says nothing of the process
          SELECT CASE WHEN w.alone_job = r.job_id AND w.alone_epoch = r.epoch
            AND (w.backend_start < pg_postmaster_start_time()) IS NOT TRUE
            AND NOT EXISTS (SELECT FROM ${s}.worker o JOIN ${s}.ready h ON h.worker_id = o.id WHERE o.id <> w.id
              AND o.backend_pid = w.backend_pid AND o.backend_start = w.backend_start) THEN ${loss.maxDeaths}::int
            ELSE ${loss.mostDeaths}::int END AS bound
          FROM ${s}.worker w WHERE w.id = r.worker_id
        ) y
        WHERE r.worker_id = ANY(${ids}::int[]) FOR UPDATE OF r
      ), gone_workers AS (DELETE FROM ${s}.worker WHERE id = ANY(${ids}::int[])
      ), names AS (
        UPDATE ${s}.node n SET since = now(),
          blamed_jobs = (SELECT array_agg(o.job_id ORDER BY o.job_id) FROM own o WHERE o.worker_id = n.worker_id AND o.died),
          blamed_epochs = (SELECT array_agg(o.was ORDER BY o.job_id) FROM own o WHERE o.worker_id = n.worker_id AND o.died)
        WHERE n.worker_id = ANY(${ids}::int[])
      ), gone_mail AS (DELETE FROM ${s}.control WHERE worker_id = ANY(${ids}::int[])
      ), back AS (
        UPDATE ${s}.ready r SET worker_id = NULL, claimed_at = NULL, available_at = now(), lost = r.lost + 1,
          epoch = r.epoch + 1
        FROM own o WHERE r.ctid = o.tid AND o.fate = 'a'
        RETURNING r.job_id, r.queue_id, o.was, o.died, o.claimed_at, r.attempt, o.fate, o.reason, o.settles
      ), gone AS (
        DELETE FROM ${s}.ready r USING own o WHERE r.ctid = o.tid AND o.fate <> 'a'
        RETURNING r.job_id, r.queue_id, r.epoch AS was, o.died, r.attempt, o.fate, o.reason, o.settles,
          r.available_at, r.claimed_at, r.worker_id, r.lost + 1 AS lost
      ), ends AS (
        INSERT INTO ${s}.done (job_id, available_at, claimed_at, worker_id, epoch, attempt, lost, outcome)
        SELECT job_id, available_at, claimed_at, worker_id, was + 1, attempt, lost, fate::"char" FROM gone
        ON CONFLICT DO NOTHING
      ), taken AS MATERIALIZED (
        SELECT job_id, queue_id, was, died, claimed_at, attempt, fate, reason, settles FROM back
        UNION ALL SELECT job_id, queue_id, was, died, claimed_at, attempt, fate, reason, settles FROM gone
      ), failures AS (
        INSERT INTO ${s}.failure (job_id, claimed_at, epoch, attempt, cause)
        SELECT job_id, claimed_at, was, attempt,
          CASE WHEN died THEN ${house.json(loss.died)}::jsonb ELSE ${house.json(loss.lapsed)}::jsonb END ||
          CASE WHEN jsonb_typeof(reason) = 'object' THEN jsonb_build_object('cancellation', reason) ELSE '{}' END
        FROM taken ON CONFLICT DO NOTHING
      ), keys AS (DELETE FROM ${s}.uniq u USING gone g WHERE u.job_id = g.job_id AND u.release <> 'n')
      SELECT t.job_id::text AS id, t.queue_id AS "queueId", coalesce(q.name, t.queue_id::text) AS queue, t.fate,
        t.settles, EXISTS (SELECT FROM ${s}.permit p WHERE p.job_id = t.job_id) AS limited
      FROM taken t LEFT JOIN ${s}.queue q ON q.id = t.queue_id ORDER BY t.job_id`
    const ended = rows.filter(({ fate }) => fate !== "a")
    const woken = new Set(rows.flatMap(({ fate, queueId }) => fate === "a" ? [queueId] : []))
    const settling = ended.flatMap(({ id, settles }) => settles ? [id] : [])
    if (settling.length > 0) {
      const [row] = yield* house<{ due: boolean }>`SELECT ${s}.settle(${settling}::bigint[]) AS due`
      if (row?.due === true) woken.add(0)
    }
    const releasing = ended.flatMap(({ id, limited }) => limited ? [id] : [])
    if (releasing.length > 0) {
      const [row] = yield* house<
        { queues: ReadonlyArray<number> }
      >`SELECT ${s}.release(${releasing}::bigint[]) AS queues`
      for (const queue of row?.queues ?? []) woken.add(queue)
    }
    const rescued = rows.map(({ fate, id, queue }): Rescued => ({ id: JobId.make(id), queue, fate: fates[fate] }))
    return { woken: Array.from(woken), rescued }
  }))

  /** Jobs held by a worker that is not there. There must be none: each is a defect of this store, and said so. */
  const orphans = Effect.gen(function*() {
    // rows that somebody put in by hand, or whose body was removed by hand: no worker can run them
    const bare = yield* house<{ id: string }>`
      DELETE FROM ${s}.ready r WHERE r.worker_id IS NOT NULL
        AND NOT EXISTS (SELECT FROM ${s}.job j WHERE j.id = r.job_id) RETURNING r.job_id::text AS id`
    if (bare.length > 0) {
      const ids = bare.slice(0, 20).map(({ id }) => id).join(", ")
      yield* Effect.logError(`${bare.length} rows of jobs that have no body were claimed, and are removed: ${ids}`)
    }
    const rows = yield* house<{ id: string; queueId: number }>`
      UPDATE ${s}.ready r SET worker_id = NULL, claimed_at = NULL, available_at = now(), lost = r.lost + 1,
        epoch = r.epoch + 1
      WHERE r.worker_id IS NOT NULL AND NOT EXISTS (SELECT FROM ${s}.worker w WHERE w.id = r.worker_id)
      RETURNING r.job_id::text AS id, r.queue_id AS "queueId"`
    if (rows.length === 0) return
    const some = rows.slice(0, 20).map(({ id }) => id).join(", ")
    yield* Effect.logError(
      `${rows.length} jobs were held by workers that no longer exist, and are available again: ${some}` +
        (rows.length > 20 ? ", …" : "")
    )
    yield* wake(Array.from(new Set(rows.map(({ queueId }) => queueId))))
  })
  const lookForOrphans = Effect.gen(function*() {
    const now = yield* Clock.monotonicTimeNanos
    if (orphansAt !== undefined && now - orphansAt < Duration.toNanosUnsafe(orphansEvery)) return
    orphansAt = now
    yield* alone(lease, "jobs orphans", orphans)
  })

  return Effect.gen(function*() {
    const { rescued, woken } = (yield* look) ? yield* takeBack : none
    if (woken.length > 0) yield* wake(woken)
    yield* lookForOrphans
    return rescued
  })
}

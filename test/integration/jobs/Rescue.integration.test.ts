/** Jobs of dead workers on Postgres. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { JobStore } from "ostinato/jobs/JobStore"
import * as PostgresJobStore from "ostinato/jobs/stores/Postgres"
import { Database } from "ostinato/store/Database"
import * as Lease from "ostinato/store/Lease"
import * as rescuing from "../../../src/jobs/internal/postgres/rescue.ts"
import { ControlSql } from "../../../src/store/ControlSql.ts"
import * as Program from "../store/program.ts"
import * as parts from "./postgresParts.ts"

layer(parts.layer, { excludeTestServices: true, timeout: 60_000 })("rescue", (it) => {
  /** A worker that is dead, or will be when it is told. */
  const worker = Effect.gen(function*() {
    const sql = yield* PgClient.PgClient
    const [row] = yield* sql<{ id: number }>`
      INSERT INTO ostinato.worker (node, expires_at) VALUES ('gone', now() + interval '1 hour') RETURNING id`
    const id = row?.id ?? 0
    return { id, die: sql`UPDATE ostinato.worker SET expires_at = now() - interval '1 second' WHERE id = ${id}` }
  })
  const make = Effect.gen(function*() {
    const woken: Array<number> = []
    const nudged: Array<number> = []
    const rescue = rescuing.make({
      house: yield* ControlSql,
      schema: "ostinato",
      lease: yield* Lease.Lease,
      wake: (queues) => Effect.sync(() => void woken.push(...queues)),
      nudge: (worker) => Effect.sync(() => void nudged.push(worker)),
      settling: 0
    })
    return { rescue, woken, nudged }
  })
  const failures = (id: string) =>
    Effect.flatMap(PgClient.PgClient, (sql) =>
      sql<{ tag: string; epoch: number; cancellation: unknown }>`
        SELECT cause ->> 'tag' AS tag, epoch, cause -> 'cancellation' AS cancellation FROM ostinato.failure
        WHERE job_id = ${id}::bigint ORDER BY epoch`)

  it.effect("a job comes back with a higher epoch and its attempt counted, and wakes its queue", () =>
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      const { rescue, woken } = yield* make
      const [id = ""] = yield* parts.enqueue("back", 1)
      const dead = yield* worker
      const [claimed] = yield* parts.claim("back", dead.id)
      assert.deepStrictEqual(yield* rescue, [])
      yield* dead.die
      assert.deepStrictEqual(yield* rescue, [{ id, queue: "back", fate: "available" }])
      assert.lengthOf(woken, 1)
      const [row] = yield* sql<{ worker: number | null; epoch: number; attempt: number; lost: number }>`
        SELECT worker_id AS worker, epoch, attempt, lost FROM ostinato.ready WHERE job_id = ${id}::bigint`
      assert.deepStrictEqual({ ...row }, { worker: null, epoch: (claimed?.epoch ?? 0) + 1, attempt: 1, lost: 1 })
      assert.deepStrictEqual((yield* failures(id)).map((row) => [row.tag, row.epoch]), [["WorkerLost", claimed?.epoch]])
      assert.deepStrictEqual(yield* sql`SELECT FROM ostinato.worker WHERE id = ${dead.id}`, [])
      assert.deepStrictEqual(yield* parts.claim("back", dead.id), [])
    }))

  it.effect("G18 a job that was alone in the third of its workers that died is discarded, and its key is free", () =>
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      const { rescue } = yield* make
      const [job] = yield* sql<{ id: string }>`
        SELECT ostinato.enqueue_job('poison', 'task', '{}', '{"uniqueKey": "once"}')::text AS id`
      const fates: Array<string> = []
      for (let round = 0; round < 3; round++) {
        const dead = yield* worker
        const [claimed] = yield* parts.claim("poison", dead.id)
        yield* sql`UPDATE ostinato.worker SET alone_job = ${job?.id ?? ""}::bigint, alone_epoch = ${claimed?.epoch ?? 0}
          WHERE id = ${dead.id}`
        yield* dead.die
        fates.push(...(yield* rescue).map(({ fate }) => fate))
      }
      assert.deepStrictEqual(fates, ["available", "available", "discarded"])
      const [done] = yield* sql<{ outcome: string; lost: number }>`
        SELECT outcome::text AS outcome, lost FROM ostinato.done WHERE job_id = ${job?.id ?? ""}::bigint`
      assert.deepStrictEqual({ ...done }, { outcome: "f", lost: 3 })
      assert.deepStrictEqual(yield* sql`SELECT FROM ostinato.uniq WHERE job_id = ${job?.id ?? ""}::bigint`, [])
    }))

  it.effect("G18 a job is not to blame for a death where another worker of its process had one in hand", () =>
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      const { rescue } = yield* make
      const fateWith = Effect.fnUntraced(function*(others: number) {
        const [id = ""] = yield* parts.enqueue("together", 1)
        yield* parts.lost(id, 2)
        const [one, other] = [yield* worker, yield* worker]
        yield* sql`UPDATE ostinato.worker SET backend_pid = 0, backend_start = now() WHERE id IN (${one.id}, ${other.id})`
        yield* parts.claim("together", one.id)
        yield* parts.isolate(id, one.id)
        yield* parts.enqueue("beside", others)
        yield* parts.claim("beside", other.id)
        yield* Effect.andThen(one.die, other.die)
        return (yield* rescue).find((job) => job.id === id)?.fate
      })
      assert.strictEqual(yield* fateWith(1), "available")
      assert.deepStrictEqual(yield* sql`DELETE FROM ostinato.ready`, [])
      assert.strictEqual(yield* fateWith(0), "discarded")
    }))

  it.effect("a worker that runs a job alone names the connection that said so, and while it stands, nobody takes it for gone", () =>
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      const { nudged, rescue } = yield* make
      const jobs = yield* JobStore
      const [id = ""] = yield* parts.enqueue("witnessed", 1)
      const member = yield* jobs.join({ node: "here", info: {}, serves: {} })
      const [job] = yield* jobs.claim(member, "witnessed", 1)
      assert.strictEqual(job?.id, id)
      if (job === undefined) return
      const forget = sql`UPDATE ostinato.worker SET witness_pid = NULL WHERE id = ${member.id}`
      const witness = Effect.map(
        sql<{ name: string }>`
          SELECT a.application_name AS name FROM ostinato.worker w
          JOIN pg_stat_activity a ON a.pid = w.witness_pid AND a.backend_start = w.witness_start WHERE w.id = ${member.id}`,
        (rows) => rows.map(({ name }) => name.split(":")[1])
      )
      assert.deepStrictEqual(yield* witness, ["control"])
      yield* forget
      assert.isTrue(yield* jobs.isolate(member, job))
      assert.deepStrictEqual(yield* witness, ["control"])
      // its heartbeat lost its connection, and cannot say so
      const other = yield* worker
      yield* sql`UPDATE ostinato.worker o SET backend_pid = 1, backend_start = now(), witness_pid = w.witness_pid,
        witness_start = w.witness_start FROM ostinato.worker w WHERE w.id = ${member.id} AND o.id = ${other.id}`
      assert.deepStrictEqual([...yield* rescue, ...yield* rescue, ...yield* rescue], [])
      assert.deepStrictEqual(nudged, [])
      yield* sql`UPDATE ostinato.worker SET hung = true WHERE id = ${other.id}`
      yield* Effect.andThen(rescue, rescue)
      assert.deepStrictEqual(nudged, [other.id])
      assert.deepStrictEqual(yield* sql`SELECT FROM ostinato.worker WHERE id = ${other.id}`, [])
      yield* sql`DELETE FROM ostinato.ready WHERE worker_id = ${member.id}`
    }).pipe(Effect.provide(PostgresJobStore.layer())))

  it.effect("a job whose cancellation was asked for is cancelled with who asked, and its children too", () =>
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      const { rescue } = yield* make
      const [parent = "", child = ""] = yield* parts.enqueue("stopping", 2)
      // a child that waits for the parent
      yield* sql`WITH r AS (DELETE FROM ostinato.ready WHERE job_id = ${child}::bigint RETURNING *)
        INSERT INTO ostinato.later (run_at, job_id, ord, queue_id, epoch, waits, priority, attempt, lost, state)
        SELECT now(), job_id, ord, queue_id, epoch, 1, priority, attempt, lost, 'w' FROM r`
      yield* sql`INSERT INTO ostinato.edge (parent_id, child_id) VALUES (${parent}::bigint, ${child}::bigint)`
      yield* sql`INSERT INTO ostinato.awaited VALUES (${parent}::bigint)`
      const dead = yield* worker
      yield* parts.claim("stopping", dead.id)
      const by = { actor: "ann", reason: "no longer needed" }
      yield* sql`INSERT INTO ostinato.control VALUES (${dead.id}, ${parent}::bigint, 'x', ${sql.json(by)})`
      yield* dead.die
      assert.deepStrictEqual(yield* rescue, [{ id: parent, queue: "stopping", fate: "cancelled" }])
      assert.deepStrictEqual((yield* failures(parent)).map(({ cancellation, tag }) => ({ cancellation, tag })), [
        { cancellation: by, tag: "WorkerLost" }
      ])
      assert.deepStrictEqual((yield* failures(child)).map(({ tag }) => tag), ["ParentNotCompleted"])
      assert.deepStrictEqual(yield* sql`SELECT FROM ostinato.control WHERE worker_id = ${dead.id}`, [])
    }))

  it.effect("a claim under way when the lease runs out is taken back, or claims nothing", () =>
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      const { rescue } = yield* make
      for (let round = 0; round < 20; round++) {
        yield* parts.enqueue("racing", 5)
        const dead = yield* worker
        yield* Effect.all([parts.claim("racing", dead.id), Effect.andThen(dead.die, rescue), rescue], {
          concurrency: "unbounded"
        })
        yield* rescue
        const held = yield* sql`SELECT FROM ostinato.ready WHERE worker_id = ${dead.id}`
        assert.lengthOf(held, 0, `round ${round}`)
      }
    }))

  it.effect("two nodes that sweep at once take each job once", () =>
    Effect.gen(function*() {
      const nodes = yield* Effect.all([make, make, make])
      const ids = yield* parts.enqueue("shared", 50)
      const dead = yield* worker
      yield* parts.claim("shared", dead.id)
      yield* dead.die
      const rescued = yield* Effect.forEach(nodes, ({ rescue }) => rescue, { concurrency: "unbounded" })
      assert.deepStrictEqual(rescued.flat().map(({ id }) => id).sort(), ids.toSorted())
    }))

  it.effect("G8 a killed process is taken back with the second sweep, long before its lease is over", () =>
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      const { url } = yield* Database
      const { rescue } = yield* make
      yield* sql`CREATE TABLE IF NOT EXISTS written (member int, at timestamptz DEFAULT clock_timestamp())`
      const ids = yield* parts.enqueue("work", 3)
      const child = yield* Program.start("../jobs/member.ts", [Redacted.value(url), "30000", "300"])
      const { member } = yield* Program.readJson(child)
      yield* Effect.repeat(
        Effect.delay(sql`SELECT FROM ostinato.worker WHERE id = ${Number(member)} AND backend_pid > 0`, 20),
        {
          until: (rows) => rows.length > 0
        }
      )
      // alive: present in as many sweeps as there are
      assert.deepStrictEqual([...yield* rescue, ...yield* rescue, ...yield* rescue], [])
      process.kill(child.pid, "SIGKILL")
      yield* child.exited
      yield* Effect.repeat(
        Effect.delay(
          sql`SELECT FROM pg_stat_activity WHERE application_name LIKE ${`ostinato:heartbeat:${child.pid}`}`,
          20
        ),
        { until: (rows) => rows.length === 0 }
      )
      assert.deepStrictEqual(yield* rescue, [])
      assert.sameMembers((yield* rescue).map(({ id }) => id), ids)
    }))

  it.effect("a worker without a recorded server process, and a server that has just begun, are left to the lease", () =>
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      const { nudged, rescue } = yield* make
      const pooled = yield* worker
      const direct = yield* worker
      yield* sql`UPDATE ostinato.worker SET backend_pid = 1, backend_start = now() WHERE id = ${direct.id}`
      const young = rescuing.make({
        house: yield* ControlSql,
        schema: "ostinato",
        lease: yield* Lease.Lease,
        wake: () => Effect.void,
        nudge: () => Effect.void,
        settling: "1 day"
      })
      yield* young
      yield* young
      const rows = sql`SELECT id FROM ostinato.worker WHERE id IN (${pooled.id}, ${direct.id}) ORDER BY id`
      assert.lengthOf(yield* rows, 2)
      yield* rescue
      // it may be alive, and is asked to say so
      assert.deepStrictEqual(nudged, [direct.id])
      yield* rescue
      assert.deepStrictEqual((yield* rows).map(({ id }) => id), [pooled.id])
    }))

  it.effect("jobs of a worker that is not there are found, and said so", () =>
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      const [id = ""] = yield* parts.enqueue("orphaned", 1)
      const gone = yield* worker
      yield* parts.claim("orphaned", gone.id)
      yield* sql`DELETE FROM ostinato.worker WHERE id = ${gone.id}`
      const { rescue } = yield* make
      yield* rescue
      const [row] = yield* sql<{ worker: number | null; lost: number }>`
        SELECT worker_id AS worker, lost FROM ostinato.ready WHERE job_id = ${id}::bigint`
      assert.deepStrictEqual({ ...row }, { worker: null, lost: 1 })
    }))

  it.effect("a claimed row without a body, put in by hand, is removed", () =>
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      const [id = ""] = yield* parts.enqueue("bodiless", 1)
      const holder = yield* worker
      yield* sql`UPDATE ostinato.ready SET worker_id = ${holder.id} WHERE job_id = ${id}::bigint`
      yield* sql`DELETE FROM ostinato.job WHERE id = ${id}::bigint`
      const { rescue } = yield* make
      yield* rescue
      assert.deepStrictEqual(yield* sql`SELECT FROM ostinato.ready WHERE job_id = ${id}::bigint`, [])
    }))
})

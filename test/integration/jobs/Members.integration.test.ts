/** Members of the job store and their leases, with threads, connections and processes as they are. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { JobId } from "ostinato/jobs/Job"
import { Database } from "ostinato/store/Database"
import { Notifier } from "ostinato/store/Notifier"
import * as channels from "../../../src/jobs/internal/postgres/channels.ts"
import * as heartbeatProtocol from "../../../src/jobs/internal/postgres/heartbeatProtocol.ts"
import * as Program from "../store/program.ts"
import * as parts from "./postgresParts.ts"

/** Computes for so long, and lets nothing else run. */
const block = (ms: number) =>
  Effect.sync(() => {
    const end = performance.now() + ms
    while (performance.now() < end);
  })

const someone = { node: "here", info: {}, serves: {} }

/** One thread for the tests that need no short lease. */
class Members extends Context.Service<Members, Effect.Success<ReturnType<typeof parts.makeMembers>>>()(
  "ostinato/test/integration/jobs/Members.integration.test/Members"
) {}
const shared = Layer.effect(Members, parts.makeMembers({ lease: "10 seconds", beat: "100 millis" }))

layer(Layer.provideMerge(shared, parts.layer), { excludeTestServices: true, timeout: 60_000 })("members", (it) => {
  const rowOf = (id: number) =>
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      const [row] = yield* sql<{ alive: boolean; renewals: number; pid: number | null }>`
        SELECT expires_at > now() AS alive, backend_pid AS pid,
          round(extract(epoch FROM expires_at - started_at) * 1000)::int AS renewals
        FROM ostinato.worker WHERE id = ${id}`
      return row
    })
  const lossesOf = (id: string) =>
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      const rows = yield* sql<{ tag: string }>`
        SELECT cause ->> 'tag' AS tag FROM ostinato.failure WHERE job_id = ${id}::bigint ORDER BY epoch`
      return rows.map(({ tag }) => tag)
    })
  const until = <A>(read: Effect.Effect<A, unknown, PgClient.PgClient>, holds: (value: A) => boolean) =>
    Effect.repeat(Effect.delay(read, "20 millis"), { until: holds })

  it.effect("two with one node's name are two, each leaves without a row, and neither ends the other", () =>
    Effect.gen(function*() {
      const { join, list } = yield* Members
      yield* Effect.scoped(Effect.gen(function*() {
        const first = yield* join({ node: "same", info: { pid: 1 }, serves: { mail: ["send"] } })
        yield* Effect.scoped(Effect.gen(function*() {
          const second = yield* join({ ...someone, node: "same" })
          assert.deepStrictEqual(yield* list, [
            { id: first.id, node: "same", serves: { mail: ["send"] } },
            { id: second.id, node: "same", serves: {} }
          ])
        }))
        assert.deepStrictEqual((yield* list).map(({ id }) => id), [first.id])
        assert.isTrue(first.held())
      }))
      assert.deepStrictEqual(yield* list, [])
    }))

  it.effect("S2.30 a job that runs for longer than a lease keeps its worker's; without beats it is taken back", () =>
    Effect.gen(function*() {
      const { join } = yield* parts.makeMembers({ lease: "1 second", beat: "100 millis" })
      const rescue = yield* parts.makeRescue
      yield* parts.enqueue("long", 1)
      const member = yield* join(someone)
      assert.lengthOf(yield* parts.claim("long", member.id), 1)
      // two leases, counted from the start to the end of the last one
      yield* until(rowOf(member.id), (row) => (row?.renewals ?? 0) > 2100)
      assert.isFalse((yield* rescue).some(({ queue }) => queue === "long"))
      assert.isTrue(member.held())

      // without its thread
      const other = yield* parts.makeMembers({ lease: "1 second", beat: "1 minute" })
      const silent = yield* other.join(someone)
      const [alone = ""] = yield* parts.enqueue("alone", 1)
      yield* parts.claim("alone", silent.id)
      yield* silent.lost
      const rescued = yield* until(rescue, (found) => found.length > 0)
      assert.deepStrictEqual(rescued, [{ id: alone, queue: "alone", fate: "available" }])
    }))

  it.effect("G9 an event loop that stands still for two leases loses nothing", () =>
    Effect.gen(function*() {
      const { join } = yield* parts.makeMembers({ lease: "1 second", beat: "150 millis" })
      const member = yield* join(someone)
      yield* parts.enqueue("blocked", 3)
      yield* parts.claim("blocked", member.id)
      yield* block(2200)
      // before anything else has run here
      assert.isTrue(member.held())
      assert.deepStrictEqual((yield* rowOf(member.id))?.alive, true)
      const rescued = yield* yield* parts.makeRescue
      assert.isFalse(rescued.some(({ queue }) => queue === "blocked"))
    }))

  it.effect("G9 an event loop that stands still for longer than the limit gives its lease up, and its jobs are to blame", () =>
    Effect.gen(function*() {
      const { join } = yield* parts.makeMembers({ lease: "1 second", beat: "100 millis", stallLimit: "300 millis" })
      const rescue = yield* parts.makeRescue
      const [id = ""] = yield* parts.enqueue("hanging", 1)
      yield* Effect.scoped(Effect.gen(function*() {
        const member = yield* join(someone)
        yield* parts.claim("hanging", member.id)
        yield* until(rowOf(member.id), (row) => (row?.pid ?? 0) > 0)
        yield* block(1700)
        assert.isFalse(member.held())
        yield* member.lost
        assert.deepInclude(yield* rescue, { id, queue: "hanging", fate: "available" })
      }))
      assert.deepStrictEqual(yield* lossesOf(id), ["WorkerLost"])
    }))

  it.effect("mail arrives with a notification, comes again until acknowledged, and a reason that nobody can read is none", () =>
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      const notifier = yield* Notifier
      const { join } = yield* Members
      const member = yield* join(someone)
      const put = (job: string, reason: object) =>
        sql`INSERT INTO ostinato.control (worker_id, job_id, action, reason) VALUES (${member.id}, ${job}::bigint, 'x', ${
          sql.json(reason)
        })`
      yield* put("5", { actor: "ann", reason: "wrong file" })
      const fiber = yield* Effect.forkChild(member.mail)
      yield* notifier.notify(channels.mail(member.id))
      const wish = { id: JobId.make("5"), by: { actor: "ann", reason: "wrong file" } }
      assert.deepStrictEqual(yield* Fiber.join(fiber), [wish])
      assert.deepStrictEqual(yield* member.mail, [wish])
      yield* put("6", { actor: 7 })
      yield* member.acknowledge([JobId.make("5")])
      assert.deepStrictEqual(yield* member.mail, [{ id: JobId.make("6"), by: { actor: null, reason: null } }])
      yield* member.acknowledge([JobId.make("6")])
      const rows = sql`SELECT FROM ostinato.control WHERE worker_id = ${member.id}`
      yield* until(rows, (left) => left.length === 0)
    }))

  it.effect("beats again over a new connection when its own is cut, and says which it is", () =>
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      const { join } = yield* Members
      const member = yield* join(someone)
      const recorded = (old: number | null) => (row: { readonly pid: number | null } | undefined) =>
        row !== undefined && row.pid !== null && row.pid !== old
      const before = yield* until(rowOf(member.id), recorded(null))
      const [backend] = yield* sql<{ name: string }>`
        SELECT application_name AS name FROM pg_stat_activity WHERE pid = ${before?.pid ?? 0}`
      assert.match(backend?.name ?? "", /^ostinato:heartbeat:/)
      yield* sql`SELECT pg_terminate_backend(${before?.pid ?? 0})`
      yield* until(rowOf(member.id), recorded(before?.pid ?? null))
      assert.isTrue(member.held())
    }))

  it.effect("a member that was taken for dead hears it with its next beat", () =>
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      const { join } = yield* Members
      const member = yield* join(someone)
      yield* sql`UPDATE ostinato.worker SET expires_at = now() - interval '1 second' WHERE id = ${member.id}`
      yield* member.lost
      assert.isFalse(member.held())
      assert.deepStrictEqual(yield* parts.claim("none", member.id), [])
    }))

  it.effect("G6 a process that was stopped for longer than its lease finds it lost before it writes", () =>
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      const { url } = yield* Database
      yield* sql`CREATE TABLE IF NOT EXISTS written (member int, at timestamptz DEFAULT clock_timestamp())`
      const [id = ""] = yield* parts.enqueue("work", 1)
      const child = yield* Program.start("../jobs/member.ts", [Redacted.value(url), "3000", "200"])
      const claimed = yield* Program.readJson(child)
      assert.deepStrictEqual(claimed["ids"], [id])
      yield* until(sql`SELECT FROM written`, (rows) => rows.length > 2)
      process.kill(child.pid, "SIGSTOP")
      const rescue = yield* parts.makeRescue
      const rescued = yield* until(rescue, (found) => found.some(({ queue }) => queue === "work"))
      assert.deepInclude(rescued, { id, queue: "work", fate: "available" })
      // its connection still stands, so it is not dead
      assert.deepStrictEqual(yield* lossesOf(id), ["LeaseLost"])
      yield* sql`CREATE TABLE resumed AS SELECT clock_timestamp() AS at`
      process.kill(child.pid, "SIGCONT")
      assert.deepStrictEqual(yield* Program.readJson(child), { event: "lost" })
      // what was under way when it was stopped had been sent before
      const late = yield* sql<{ n: number }>`
        SELECT count(*)::int AS n FROM written WHERE at > (
          SELECT min(w.at) FROM written w, resumed r WHERE w.at > r.at)`
      assert.strictEqual(late[0]?.n, 0)
    }))

  /** A process that has claimed a job which was lost twice, and runs it alone, stopped and with these connections cut. */
  const stoppedAlone = (roles: string) =>
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      const { url } = yield* Database
      yield* sql`CREATE TABLE IF NOT EXISTS written (member int, at timestamptz DEFAULT clock_timestamp())`
      const [id = ""] = yield* parts.enqueue("work", 1)
      yield* parts.lost(id, 2)
      const child = yield* Program.start("../jobs/member.ts", [Redacted.value(url), "3000", "200", "1000"])
      const member = Number((yield* Program.readJson(child))["member"])
      yield* parts.isolate(id, member)
      yield* until(rowOf(member), (row) => (row?.pid ?? 0) > 0)
      process.kill(child.pid, "SIGSTOP")
      const cut = sql<{ pid: number }>`
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE application_name ~ ${`^ostinato:${roles}:${child.pid}$`}`
      yield* until(cut, (left) => left.length === 0)
      const rescued = yield* until(yield* parts.makeRescue, (found) => found.some((one) => one.id === id))
      return { id, child, fate: rescued.find((one) => one.id === id)?.fate }
    })

  it.effect("G18 what a stopped process ran alone is not to blame when its heartbeat was cut: others of its connections stand", () =>
    Effect.gen(function*() {
      const { fate, id } = yield* stoppedAlone("heartbeat")
      assert.strictEqual(fate, "available")
      assert.deepStrictEqual(yield* lossesOf(id), ["WorkerLost", "WorkerLost", "LeaseLost"])
    }))

  it.effect("G18 a stopped process without any connection looks dead, and takes the blame from its jobs when it goes on", () =>
    Effect.gen(function*() {
      const { child, fate, id } = yield* stoppedAlone("[a-z]+")
      assert.strictEqual(fate, "discarded")
      assert.deepStrictEqual(yield* lossesOf(id), ["WorkerLost", "WorkerLost", "WorkerLost"])
      // longer than its event loop may stand still, but nobody looked on
      process.kill(child.pid, "SIGCONT")
      yield* until(lossesOf(id), (tags) => tags[2] === "LeaseLost")
    }))

  it.effect("an event loop that stood still says nothing of what runs when it turned again before the lease was over", () =>
    Effect.gen(function*() {
      const { join } = yield* parts.makeMembers({ lease: "10 seconds", beat: "100 millis", stallLimit: "300 millis" })
      const [id = ""] = yield* parts.enqueue("recovered", 1)
      yield* Effect.scoped(Effect.gen(function*() {
        const sql = yield* PgClient.PgClient
        const member = yield* join(someone)
        yield* until(rowOf(member.id), (row) => (row?.pid ?? 0) > 0)
        yield* block(1500)
        // it beats again
        const row = yield* rowOf(member.id)
        yield* until(rowOf(member.id), (later) => (later?.renewals ?? 0) > (row?.renewals ?? 0) + 200)
        assert.deepStrictEqual(yield* sql`SELECT hung FROM ostinato.worker WHERE id = ${member.id}`, [{ hung: false }])
        yield* parts.claim("recovered", member.id)
      }))
      yield* until(yield* parts.makeRescue, (found) => found.some((one) => one.id === id))
      assert.deepStrictEqual(yield* lossesOf(id), ["LeaseLost"])
    }))

  it.effect("what cannot travel to a thread is kept beside the rest", () =>
    Effect.sync(() => {
      assert.isUndefined(heartbeatProtocol.pack({ ssl: { checkServerIdentity: () => undefined } }))
      assert.isUndefined(heartbeatProtocol.pack({ password: Effect.succeed(Redacted.make("changes")) }))
      const config = {
        url: Redacted.make("postgres://a:b@c/d"),
        applicationName: "x",
        startupParameters: { a: "1" },
        connectTimeout: 5000
      }
      const packed = heartbeatProtocol.pack({ ...config, connectTimeout: Duration.seconds(5) })
      assert.deepStrictEqual(structuredClone(packed), packed)
      if (packed !== undefined) assert.deepStrictEqual(heartbeatProtocol.unpack(packed), config)
    }))
})

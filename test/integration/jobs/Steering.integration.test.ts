/** What operators ask of jobs and queues on Postgres. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as doctor from "../../../src/jobs/internal/postgres/doctor.ts"
import { ControlSql } from "../../../src/store/ControlSql.ts"
import * as jobs from "./jobs.ts"

class Undone extends Schema.TaggedError<Undone>()("Undone", {}) {}

layer(jobs.layer, { excludeTestServices: true, timeout: 60_000 })("steering", (it) => {
  const rolledBack = <A, E, R>(work: Effect.Effect<A, E, R>) =>
    Effect.flatMap(
      PgClient.PgClient,
      (sql) => Effect.exit(sql.withTransaction(Effect.andThen(work, Effect.fail(new Undone()))))
    )
  const claimAll = (queue: string) =>
    Effect.gen(function*() {
      const store = yield* jobs.Store
      const member = yield* jobs.member()
      return { member, claimed: yield* store.claim(member, queue, 100) }
    })

  it.effect("D.15 erasure leaves no word of it in any table, and says who asked for it, when and why", () =>
    Effect.gen(function*() {
      const store = yield* jobs.Store
      const sql = yield* PgClient.PgClient
      const canary = "canary-7f3a"
      const [one, two, live] = yield* store.enqueue([
        jobs.job({ queue: "people", payload: { mail: canary }, meta: { tags: ["kept"], part: { mail: canary } } }),
        jobs.job({ queue: "people", payload: { mail: canary } }),
        jobs.job({ queue: "people", payload: { mail: "kept" }, delayMs: 60_000 })
      ])
      const { claimed, member } = yield* claimAll("people")
      yield* store.progress(member, claimed.map((job) => ({ job, value: canary })))
      yield* store.finish(member, [
        jobs.end(claimed[0]!, { output: canary, logs: [jobs.logLine(canary)] }),
        jobs.end(claimed[1]!, { outcome: "discarded", failure: jobs.failure(canary) })
      ])
      const ids = [one!.id, two!.id, live!.id]
      yield* rolledBack(store.erase(ids, { actor: "ann", reason: "art. 17" }))
      assert.deepStrictEqual((yield* store.get(one!.id))?.payload, { mail: canary })
      const erased = yield* store.erase(ids, { actor: "ann", reason: "art. 17" })
      assert.sameMembers(Array.from(erased), [one!.id, two!.id])

      const tables = yield* sql<{ name: string }>`
        SELECT c.oid::regclass::text AS name FROM pg_class c
        WHERE c.relnamespace = 'ostinato'::regnamespace AND c.relkind = 'r'`
      for (const { name } of tables) {
        const [found] = yield* sql.unsafe<{ n: number }>(
          `SELECT count(*)::int AS n FROM ${name} x WHERE x::text LIKE '%${canary}%'`
        )
        assert.strictEqual(found?.n, 0, name)
      }
      const history = yield* store.getMany([one!.id, two!.id])
      assert.sameDeepMembers(history.map(({ attempt, payload, state }) => ({ attempt, payload, state })), [
        { attempt: 1, payload: null, state: "completed" },
        { attempt: 1, payload: null, state: "discarded" }
      ])
      assert.isTrue(history.every(({ finishedAt, startedAt }) => finishedAt !== null && startedAt !== null))
      assert.deepStrictEqual((yield* store.get(live!.id))?.payload, { mail: "kept" })
      const audit = yield* sql`SELECT actor, reason, count::int AS count, at <= now() AS past FROM ostinato.erasure`
      assert.deepStrictEqual(audit.map((row) => ({ ...row })), [{
        actor: "ann",
        reason: "art. 17",
        count: 2,
        past: true
      }])
    }))

  it.effect("a queue is made by its settings, and not where their transaction rolls back", () =>
    Effect.gen(function*() {
      const store = yield* jobs.Store
      yield* rolledBack(store.configure("made", { fair: true }))
      assert.isUndefined((yield* store.queues).find(({ name }) => name === "made"))
      assert.isNull(yield* store.configure("made", { fair: true, ageingMs: null }))
      assert.deepInclude((yield* store.queues).find(({ name }) => name === "made"), { fair: true, limit: null })
    }))

  it.effect("a limit that a queue is given holds what waits there already, and lets it go again", () =>
    Effect.gen(function*() {
      const store = yield* jobs.Store
      yield* store.limits.set({ name: "two", permits: 2, rate: null })
      yield* store.enqueue(Array.from({ length: 5 }, () => jobs.job({ queue: "limited" })))
      assert.isNull(yield* store.configure("limited", { limit: "two" }))
      yield* store.sweep
      const first = yield* claimAll("limited")
      assert.lengthOf(first.claimed, 2)
      assert.deepInclude((yield* store.queues).find(({ name }) => name === "limited"), { limit: "two", parked: 3 })
      yield* store.finish(first.member, first.claimed.map((job) => jobs.end(job)))
      const second = yield* claimAll("limited")
      assert.lengthOf(second.claimed, 2)
      assert.isNull(yield* store.configure("limited", { limit: null }))
      yield* store.promote(100)
      assert.lengthOf((yield* claimAll("limited")).claimed, 1)
    }))

  it.effect("limits answer as they were set, and say what cannot be", () =>
    Effect.gen(function*() {
      const store = yield* jobs.Store
      const hourly = { name: "hourly", permits: null, rate: { units: 5000, perMs: 3_600_000, burst: 100 } }
      yield* store.limits.set(hourly)
      assert.deepInclude(yield* store.limits.list, hourly)
      const refused = (work: Effect.Effect<unknown, { readonly message: string }>) =>
        Effect.map(Effect.flip(work), String)
      assert.match(yield* refused(store.limits.set({ ...hourly, name: "order" })), /order/)
      assert.match(yield* refused(store.limits.set({ ...hourly, permits: 0 })), /0 jobs at once/)
      assert.match(yield* refused(store.limits.set({ ...hourly, rate: { units: 0, perMs: 1, burst: 1 } })), /0 units/)
      assert.match(yield* refused(store.limits.take("unknown", "k", 1)), /no limit unknown/)
      assert.match(yield* refused(store.limits.take("hourly", "k", 101)), /100 units.*never 101/)
      assert.match(yield* refused(store.limits.hold("unknown", "k", 1)), /no limit unknown/)
      assert.deepStrictEqual(yield* store.limits.take("hourly", "k", 100), { retryMs: 0 })
      const { retryMs } = yield* store.limits.take("hourly", "k", 1)
      assert.isTrue(retryMs > 0 && retryMs <= 720, String(retryMs))
    }))

  it.effect("S25 of many who ask at once no more are let through than the burst", () =>
    Effect.gen(function*() {
      const store = yield* jobs.Store
      yield* store.limits.set({ name: "burst", permits: null, rate: { units: 1, perMs: 3_600_000, burst: 7 } })
      const answers = yield* Effect.forEach(Array.from({ length: 40 }), () => store.limits.take("burst", "k", 1), {
        concurrency: "unbounded"
      })
      assert.lengthOf(answers.filter(({ retryMs }) => retryMs === 0), 7)
    }))

  it.effect("the far side's word to wait holds a key that has permits only", () =>
    Effect.gen(function*() {
      const store = yield* jobs.Store
      const sql = yield* PgClient.PgClient
      yield* store.limits.set({ name: "far", permits: 5, rate: null })
      yield* store.limits.hold("far", "k", 3_600_000)
      yield* store.enqueue([jobs.job({ queue: "far", limit: { name: "far", key: "k", strict: false } })])
      yield* store.sweep
      assert.lengthOf((yield* claimAll("far")).claimed, 0)
      yield* sql`UPDATE ostinato.limit_key SET tat = now() WHERE key = 'k' AND limit_id = (
        SELECT id FROM ostinato.limits WHERE name = 'far')`
      yield* store.sweep
      assert.lengthOf((yield* claimAll("far")).claimed, 1)
    }))

  it.effect("a released hold lets its jobs go, also more than one statement takes, and no others", () =>
    Effect.gen(function*() {
      const store = yield* jobs.Store
      const sql = yield* PgClient.PgClient
      yield* store.holds.put("task:test.task")
      yield* store.holds.put("task:test.task")
      yield* store.holds.put("tenant:acme")
      yield* store.enqueue(Array.from({ length: 3 }, () => jobs.job({ queue: "held" })))
      assert.match((yield* store.queues).length > 0 ? "x" : "", /x/)
      const { claimed, member } = yield* claimAll("held")
      yield* store.finish(
        member,
        claimed.map((job, n) => jobs.end(job, { outcome: "hold", note: n === 0 ? "tenant:acme" : "task:test.task" }))
      )
      assert.match((yield* store.get(claimed[1]!.id))?.reason ?? "", /task:test.task is paused/)
      yield* sql`INSERT INTO ostinato.later (run_at, job_id, ord, queue_id, epoch, priority, attempt, lost, state, note)
        SELECT now(), n, n, 0, 0, 0, 0, 0, 'h', 'task:test.task' FROM generate_series(1, 10500) n`
      yield* store.holds.release("task:test.task")
      assert.deepStrictEqual(Array.from(yield* store.holds.list), ["tenant:acme"])
      const [left] = yield* sql<{ n: number }>`SELECT count(*)::int AS n FROM ostinato.later WHERE state = 'h'`
      assert.strictEqual(left?.n, 1)
      yield* sql`DELETE FROM ostinato.later WHERE job_id <= 10500`
      yield* store.promote(100)
      assert.lengthOf((yield* claimAll("held")).claimed, 2)
      yield* store.holds.release("tenant:acme")
      yield* store.promote(100)
      assert.lengthOf((yield* claimAll("held")).claimed, 1)
    }))

  it.effect("pausing an unknown queue is an error that names it, and a pause keeps its beginning", () =>
    Effect.gen(function*() {
      const store = yield* jobs.Store
      const error = yield* Effect.flip(store.pause("nowhere", true))
      assert.strictEqual(error.message, "there is no queue nowhere")
      yield* store.configure("paused", {})
      yield* store.pause("paused", true)
      const at = (yield* store.queues).find(({ name }) => name === "paused")?.pausedAt
      yield* store.pause("paused", true)
      assert.deepStrictEqual((yield* store.queues).find(({ name }) => name === "paused")?.pausedAt, at)
    }))

  it.effect("S2.86 says what runs for the longest, how much is stored, and who keeps dead rows", () =>
    Effect.gen(function*() {
      const store = yield* jobs.Store
      const sql = yield* PgClient.PgClient
      const examine = doctor.make(yield* ControlSql, "ostinato")
      yield* store.enqueue([jobs.job({ queue: "old" }), jobs.job({ queue: "old" })])
      const { claimed } = yield* claimAll("old")
      yield* sql`UPDATE ostinato.ready SET claimed_at = now() - interval '1 hour' WHERE job_id = ${
        claimed[1]!.id
      }::bigint`
      const pinned = yield* sql.withTransaction(Effect.gen(function*() {
        yield* sql`SET TRANSACTION ISOLATION LEVEL REPEATABLE READ`
        yield* sql`SELECT count(*) FROM ostinato.ready`
        return yield* examine
      }))
      assert.isTrue(
        pinned.pinning.some(({ detail, kind }) => kind === "connection" && detail.includes("ostinato:user"))
      )
      const health = yield* examine
      assert.strictEqual(health.oldestRunning?.id, claimed[1]!.id)
      assert.isAtLeast(health.oldestRunning?.seconds ?? 0, 3600)
      assert.isTrue(health.bytes > health.ready.bytes && health.ready.bytes > 0)
    }))

  it.effect("whoever watches hears of changes, and of a thousand no more than four times a second", () =>
    Effect.gen(function*() {
      const store = yield* jobs.Store
      const seen: Array<number> = []
      const fiber = yield* Effect.forkChild(
        Stream.runForEach(store.changes, () => Effect.sync(() => void seen.push(performance.now())))
      )
      yield* Effect.repeat(Effect.sleep("10 millis"), { until: () => seen.length > 0 })
      const before = seen.length
      const began = performance.now()
      yield* Effect.forEach(Array.from({ length: 200 }), () => store.enqueue([jobs.job({ queue: "watched" })]), {
        concurrency: 4
      })
      yield* Effect.repeat(Effect.sleep("10 millis"), { until: () => seen.length > before })
      const seconds = (performance.now() - began) / 1000
      assert.isAtMost(seen.length - before, Math.ceil(seconds * 4) + 1)
      yield* Fiber.interrupt(fiber)
      assert.isTrue(Exit.isSuccess(yield* Effect.exit(store.queues)))
    }))
})

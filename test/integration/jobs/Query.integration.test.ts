/** How jobs are found on Postgres: from the small table of their state, page by page, and never for ever. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type { JobId } from "ostinato/jobs/Job"
import * as JobFilter from "ostinato/jobs/JobFilter"
import * as query from "../../../src/jobs/internal/postgres/query.ts"
import * as steering from "../../../src/jobs/internal/postgres/steering.ts"
import { ControlSql } from "../../../src/store/ControlSql.ts"
import * as jobs from "./jobs.ts"

layer(jobs.layer, { excludeTestServices: true, timeout: 60_000 })("query", (it) => {
  /** 20,000 ended jobs, 3 that run, 2 that are scheduled; with statistics, as after a day. */
  const fill = Effect.gen(function*() {
    const store = yield* jobs.Store
    const sql = yield* PgClient.PgClient
    yield* store.enqueue(Array.from({ length: 3 }, () => jobs.job({ queue: "busy", payload: { n: -1 } })))
    yield* store.enqueue(Array.from({ length: 2 }, () => jobs.job({ queue: "busy", delayMs: 60_000 })))
    yield* sql`INSERT INTO ostinato.job (id, ord, queue_id, task_id, priority, max_attempts, args)
      SELECT i.id, i.id, q.id, t.id, 0, 20, jsonb_build_object('n', n)
      FROM generate_series(1, 20000) n CROSS JOIN LATERAL (SELECT ostinato.new_id() + 0 * n AS id) i,
        ostinato.queue q, ostinato.task t WHERE q.name = 'busy' AND t.name = 'test.task'`
    yield* sql`INSERT INTO ostinato.done (job_id, epoch, attempt, outcome)
      SELECT id, 1, 1, CASE WHEN (args ->> 'n')::int % 1000 = 0 THEN 'f' ELSE 'c' END::"char" FROM ostinato.job
      WHERE (args ->> 'n')::int > 0`
    yield* sql`ANALYZE ostinato.job, ostinato.done, ostinato.ready, ostinato.later`
    const member = yield* jobs.member()
    yield* store.claim(member, "busy", 3)
  })
  let isFilled = false
  const filled = Effect.suspend(() =>
    isFilled ? Effect.void : Effect.andThen(fill, Effect.sync(() => void (isFilled = true)))
  )
  const ofBusy: JobFilter.JobFilter = { ...JobFilter.all, queues: ["busy"] }

  /** Rows that the server read of the bodies, by what the plan says. */
  const bodiesRead = <A, E>(work: (sql: PgClient.PgClient) => Effect.Effect<A, E>) =>
    Effect.gen(function*() {
      const control = yield* ControlSql
      const read = control<{ n: number }>`
        SELECT coalesce(sum(seq_tup_read + idx_tup_fetch), 0)::int AS n FROM pg_stat_xact_user_tables
        WHERE relname ~ '^job_(default|[0-9]{8})$'`
      return yield* control.withTransaction(Effect.gen(function*() {
        const [before] = yield* read
        yield* work(control)
        const [after] = yield* read
        return after!.n - before!.n
      }))
    })

  it.effect("a state is listed from its small table, whatever has ended besides", () =>
    Effect.gen(function*() {
      yield* filled
      for (const state of ["running", "scheduled", "retryable", "pending", "available"] as const) {
        const page = { filter: { ...ofBusy, states: [state], tasks: ["test.task"] }, before: null, limit: 50 }
        assert.isAtMost(yield* bodiesRead((sql) => query.make(sql, "ostinato").query(page)), 30, state)
      }
      const ended = { filter: { ...ofBusy, states: ["completed" as const] }, before: null, limit: 50 }
      assert.isAtMost(yield* bodiesRead((sql) => query.make(sql, "ostinato").query(ended)), 400)
    }))

  it.effect("pages follow one another by their cursor, each as dear as the first, and meet every job once", () =>
    Effect.gen(function*() {
      yield* filled
      const store = yield* jobs.Store
      const seen: Array<string> = []
      let before: JobId | null = null
      for (let n = 0; n < 30; n++) {
        const page: ReadonlyArray<{ readonly id: JobId }> = yield* store.query({
          filter: { ...ofBusy, states: ["discarded", "running"] },
          before,
          limit: 2
        })
        seen.push(...page.map(({ id }) => id))
        before = page.at(-1)?.id ?? null
        if (before === null) break
      }
      assert.lengthOf(seen, 23)
      assert.strictEqual(new Set(seen).size, 23)
      assert.deepStrictEqual(seen, seen.toSorted((a, b) => Number(BigInt(b) - BigInt(a))))
      const all = yield* store.query({ filter: ofBusy, before: null, limit: 1000 })
      const deep = { filter: ofBusy, before: all.at(-1)!.id, limit: 20 }
      assert.isAtMost(yield* bodiesRead((sql) => query.make(sql, "ostinato").query(deep)), 200)
    }))

  it.effect("counts up to a bound, and reads no further", () =>
    Effect.gen(function*() {
      yield* filled
      const store = yield* jobs.Store
      assert.strictEqual(yield* store.count(ofBusy, 100), 100)
      assert.strictEqual(yield* store.count({ ...ofBusy, states: ["discarded"] }, 100), 20)
      assert.isAtMost(yield* bodiesRead((sql) => query.make(sql, "ostinato").count(ofBusy, 100)), 300)
    }))

  it.effect("payload, time and state together find what they ask for", () =>
    Effect.gen(function*() {
      yield* filled
      const store = yield* jobs.Store
      const hour = DateTime.addDuration(yield* DateTime.now, "-1 hour")
      const found = yield* store.query({
        filter: {
          ...ofBusy,
          states: ["discarded"],
          payload: [{ path: ["n"], operator: ">", value: "18000" }],
          since: hour
        },
        before: null,
        limit: 10
      })
      assert.deepStrictEqual(found.map(({ payload }) => payload), [{ n: 20000 }, { n: 19000 }])
      assert.deepStrictEqual(yield* store.query({ filter: { ...ofBusy, until: hour }, before: null, limit: 10 }), [])
    }))

  it.effect("a search that does not end in time says what to do", () =>
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      const error = yield* Effect.flip(
        steering.search(
          "find jobs",
          sql.withTransaction(Effect.andThen(sql`SET LOCAL statement_timeout = 50`, sql`SELECT pg_sleep(10)`))
        )
      )
      assert.strictEqual(error._tag, "JobStoreUnavailable")
      assert.match(error.message, /find jobs failed: .* narrow the filter by state, queue, task or time/)
    }))
})

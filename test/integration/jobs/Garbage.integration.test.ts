/** Rows that somebody put into the tables by hand, or that a newer version wrote: they hide nothing and fail nothing. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import { JobId } from "ostinato/jobs/Job"
import * as JobFilter from "ostinato/jobs/JobFilter"
import * as jobs from "./jobs.ts"

layer(jobs.layer, { excludeTestServices: true, timeout: 60_000 })("garbage", (it) => {
  const put = Effect.gen(function*() {
    const sql = yield* PgClient.PgClient
    const store = yield* jobs.Store
    const [good] = yield* store.enqueue([jobs.job({ queue: "mixed", meta: { tags: ["good"] } })])
    const row = (
      id: string,
      meta: object | string | null,
      change: { readonly queue?: number; readonly task?: number } = {}
    ) =>
      Effect.gen(function*() {
        const queue = change.queue ??
          (yield* sql<{ id: number }>`SELECT id FROM ostinato.queue WHERE name = 'mixed'`)[0]!.id
        const task = change.task ?? (yield* sql<{ id: number }>`SELECT id FROM ostinato.task LIMIT 1`)[0]!.id
        yield* sql`INSERT INTO ostinato.job (id, ord, queue_id, task_id, priority, max_attempts, args, meta)
          VALUES (${id}::bigint, ${id}::bigint, ${queue}, ${task}, 0, 20, '"no object"', ${sql.json(meta)}::jsonb)`
        yield* sql`INSERT INTO ostinato.ready (queue_id, priority, ord, job_id) VALUES (${queue}, 0, ${id}::bigint, ${id}::bigint)`
        return JobId.make(id)
      })
    const ids = [
      yield* row("11", [1, 2]),
      yield* row("12", "text"),
      yield* row("13", { tags: "no list", traceparent: 7, priority: "high", origin: null, version: 2 }),
      yield* row("14", {}, { queue: 99_999 }),
      yield* row("15", {}, { task: 99_999 })
    ]
    // failures and outcomes of forms that nobody knows
    const ended = yield* row("16", null)
    yield* sql`DELETE FROM ostinato.ready WHERE job_id = 16`
    yield* sql`INSERT INTO ostinato.done (job_id, finished_at, epoch, attempt, outcome, report)
      VALUES (16, 'infinity', 1, 1, 'f', '{"items": "many"}')`
    yield* sql`INSERT INTO ostinato.failure (job_id, epoch, attempt, cause)
      VALUES (16, 1, 1, '"it broke"'), (16, 2, 2, '{"_tag": "Old", "message": 7}')`
    yield* sql`INSERT INTO ostinato.job_log (job_id, epoch, attempt, lines)
      VALUES (16, 1, 1, '[1, {"at": "never"}, {"at": "2026-01-01T00:00:00.000Z", "level": "INFO", "message": "good"}]'), (16, 3, 3, '7')`
    yield* sql`INSERT INTO ostinato.worker (node, expires_at, serves) VALUES ('odd', now() + interval '1 hour', '[1]')`
    yield* sql`INSERT INTO ostinato.ready (queue_id, priority, ord, job_id) VALUES (1, 0, 17, 17)`
    return { good: good!.id, ids, ended }
  })
  let there: Effect.Success<typeof put> | undefined
  const garbage = Effect.suspend(() =>
    there === undefined ? Effect.tap(put, (made) => Effect.sync(() => void (there = made))) : Effect.succeed(there)
  )

  it.effect("lists, filters and single jobs show what can be read of every row", () =>
    Effect.gen(function*() {
      const { ended, good, ids } = yield* garbage
      const store = yield* jobs.Store
      const list = (filter: Partial<JobFilter.JobFilter>) =>
        Effect.map(
          store.query({ filter: { ...JobFilter.all, ...filter }, before: null, limit: 100 }),
          (found) => found.map(({ id }) => id)
        )
      assert.sameMembers(yield* list({}), [good, ...ids, ended])
      assert.sameMembers(yield* list({ states: ["available"] }), [good, ...ids])
      assert.deepStrictEqual(yield* list({ tags: ["good"] }), [good])
      assert.deepStrictEqual(yield* list({ tags: ["no list"] }), [])
      assert.deepStrictEqual(yield* list({ traces: ["7"] }), [])
      assert.deepStrictEqual(yield* list({ tenants: ["nobody"] }), [])
      assert.deepStrictEqual(yield* list({ errors: ["Old"] }), [])
      assert.deepStrictEqual(yield* list({ payload: [{ path: ["user", "name"], operator: ">", value: "1e400" }] }), [])
      assert.deepStrictEqual(yield* list({ payload: [{ path: ["a\u0000"], operator: "=", value: "\u0000" }] }), [])
      assert.deepStrictEqual(yield* list({ ids: [JobId.make("9223372036854775807")] }), [])
      assert.deepStrictEqual(yield* list({ since: DateTime.makeUnsafe(8.64e15) }), [])
      assert.strictEqual(yield* store.count({ ...JobFilter.all, states: ["available"] }, 3), 3)

      const byId = new Map((yield* store.getMany(ids)).map((job) => [job.id, job]))
      assert.deepStrictEqual(byId.get(ids[0]!)?.meta, {})
      assert.deepStrictEqual(byId.get(ids[2]!)?.meta, { version: 2 })
      assert.strictEqual(byId.get(ids[0]!)?.payload, "no object")
      assert.include(byId.get(ids[3]!)?.queue ?? "", "99999")
      assert.include(byId.get(ids[4]!)?.task ?? "", "99999")
    }))

  it.effect("failures, logs and reports of unknown forms are shown as best they can be", () =>
    Effect.gen(function*() {
      const { ended } = yield* garbage
      const store = yield* jobs.Store
      const job = yield* store.get(ended)
      assert.deepInclude(job, { state: "discarded", report: null, finishedAt: null })
      assert.deepInclude(job?.failure, { kind: "failure", tag: "Old" })
      const attempts = yield* store.attempts(ended)
      assert.deepStrictEqual(attempts.map(({ epoch, failure, logs }) => [epoch, failure?.tag, logs.length]), [
        [1, "Unreadable", 1],
        [2, "Old", 0],
        [3, undefined, 0]
      ])
    }))

  it.effect("members, queues, erasure, rescue and pruning go past it", () =>
    Effect.gen(function*() {
      const { ended, ids } = yield* garbage
      const store = yield* jobs.Store
      assert.deepStrictEqual((yield* store.members).map(({ node, serves }) => [node, serves]), [["odd", {}]])
      assert.isTrue((yield* store.queues).some(({ counts, name }) => name === "mixed" && counts.available >= 4))
      const member = yield* jobs.member("short", -1)
      const sql = yield* PgClient.PgClient
      // a row whose body is not there, held by a worker that died
      yield* sql`UPDATE ostinato.ready SET worker_id = ${member.id} WHERE job_id IN (11, 14, 17)`
      assert.deepStrictEqual((yield* store.rescue).map(({ fate, id }) => [id, fate]), [
        [ids[0], "available"],
        [ids[3], "available"],
        [JobId.make("17"), "discarded"]
      ])
      assert.deepStrictEqual(Array.from(yield* store.erase([ended, ...ids], { actor: null, reason: null })), [ended])
      yield* store.prune({})
      assert.lengthOf(yield* store.getMany(ids), ids.length)
    }))
})

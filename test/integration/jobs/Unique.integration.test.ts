/** Unique keys on a real server: one holder at most, whoever commits, rolls back or ends. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import { Database } from "ostinato/store/Database"
import { end, failure, job, key, layer as store, member, Store, unique } from "./jobs.ts"

const holders = (text: string) =>
  Effect.flatMap(PgClient.PgClient, (sql) =>
    Effect.map(
      sql<{ id: string }>`SELECT job_id::text AS id FROM ostinato.uniq WHERE key = decode(${key(text)}, 'hex')`,
      (rows) => rows.map(({ id }) => id)
    ))

/** Until a statement of this kind waits for a lock. */
const somebodyWaits = Effect.flatMap(PgClient.PgClient, (sql) =>
  Effect.repeat(
    sql<{ n: number }>`
      SELECT count(*)::int AS n FROM pg_stat_activity
      WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%enqueue%'`,
    { until: ([row]) => row!.n > 0, schedule: Schedule.spaced("5 millis") }
  ))

layer(store, { excludeTestServices: true })("unique keys", (it) => {
  for (const commits of [true, false]) {
    it.effect(
      commits
        ? "the loser of a holder that commits is its duplicate"
        : "the loser of an uncommitted holder waits for its end, and wins when that rolls back",
      () =>
        Effect.gen(function*() {
          const { enqueue } = yield* Store
          const sql = yield* PgClient.PgClient
          const name = `loser ${commits}`
          const go = yield* Deferred.make<void>()
          const held = yield* Deferred.make<string>()
          const holder = yield* Effect.forkChild(Effect.exit(sql.withTransaction(Effect.gen(function*() {
            const [made] = yield* enqueue([job({ queue: "loser", unique: unique(name) })])
            yield* Deferred.succeed(held, made!.id)
            yield* Deferred.await(go)
            if (!commits) return yield* Effect.fail("no")
          }))))
          const first = yield* Deferred.await(held)
          const loser = yield* Effect.forkChild(enqueue([
            job({ queue: "loser" }),
            job({ queue: "loser", unique: unique(name) })
          ]))
          yield* somebodyWaits
          yield* Deferred.succeed(go, undefined)
          yield* Fiber.join(holder)
          const [, second] = yield* Fiber.join(loser)
          assert.strictEqual(second!.duplicate, commits)
          assert.strictEqual(second!.id === first, commits)
          assert.deepStrictEqual(yield* holders(name), [second!.id])
        })
    )
  }

  it.effect("a duplicate in a transaction that stays open does not hold up the end of the holder", () =>
    Effect.gen(function*() {
      const { claim, enqueue, finish } = yield* Store
      const sql = yield* PgClient.PgClient
      yield* enqueue([job({ queue: "open", unique: unique("open") })])
      const worker = yield* member()
      const [claimed] = yield* claim(worker, "open", 1)
      yield* sql.withTransaction(Effect.gen(function*() {
        const [second] = yield* enqueue([job({ queue: "open", unique: unique("open") })])
        assert.isTrue(second!.duplicate)
        const fenced = yield* Effect.timeout(finish(worker, [end(claimed!)]), "1 second")
        assert.strictEqual(fenced.size, 0)
      }))
      assert.deepStrictEqual(yield* holders("open"), [])
    }))

  it.effect("a key is free with the end, at the start, after its period or never, as it was asked for", () =>
    Effect.gen(function*() {
      const { claim, enqueue, finish } = yield* Store
      const sql = yield* PgClient.PgClient
      const keys = {
        done: unique("done"),
        started: unique("started", { until: "started" }),
        period: unique("period", { until: "forever", withinMs: 60_000 }),
        forever: unique("forever", { until: "forever" }),
        both: unique("both", { withinMs: 60_000 })
      }
      const again = (name: keyof typeof keys) =>
        Effect.map(enqueue([job({ queue: "again", unique: keys[name] })]), ([made]) => !made!.duplicate)
      const free = Effect.gen(function*() {
        const names: Array<string> = []
        for (const name of ["done", "started", "period", "forever", "both"] as const) {
          if ((yield* holders(name)).length === 0) names.push(name)
        }
        return names
      })
      yield* enqueue(Object.values(keys).map((unique) => job({ queue: "releases", unique })))
      const worker = yield* member()
      const jobs = yield* claim(worker, "releases", 10)
      assert.deepStrictEqual(yield* free, ["started"])
      yield* finish(worker, jobs.map((claimed) => end(claimed)))
      assert.deepStrictEqual(yield* free, ["done", "started", "both"])
      assert.isFalse(yield* again("period"))
      assert.isFalse(yield* again("forever"))
      yield* sql`UPDATE ostinato.uniq SET until = now() - interval '1 second' WHERE until < 'infinity'`
      assert.isTrue(yield* again("period"))
      assert.isFalse(yield* again("forever"))
    }))

  it.effect("a job that runs again keeps its key, and one that is discarded or cancelled gives it back", () =>
    Effect.gen(function*() {
      const { cancel, claim, enqueue, finish } = yield* Store
      const made = yield* enqueue(
        ["retry", "discard", "cancel"].map((name) => job({ queue: "ends", unique: unique(name) }))
      )
      const worker = yield* member()
      const jobs = yield* claim(worker, "ends", 2)
      yield* finish(worker, [
        end(jobs[0]!, { outcome: "retry", failure: failure("x") }),
        end(jobs[1]!, { outcome: "discarded", failure: failure("x") })
      ])
      yield* cancel([made[2]!.id], { actor: null, reason: null })
      assert.deepStrictEqual(yield* holders("retry"), [made[0]!.id])
      assert.deepStrictEqual([...(yield* holders("discard")), ...(yield* holders("cancel"))], [])
    }))

  it.effect("replace and reschedule change a holder that waits, and leave one that runs alone", () =>
    Effect.gen(function*() {
      const { claim, enqueue, promote } = yield* Store
      const sql = yield* PgClient.PgClient
      const put = (onConflict: "replace" | "reschedule", payload: number, change = {}) =>
        Effect.map(
          enqueue([job({ queue: "replace", payload, unique: unique("replace", { onConflict }), ...change })]),
          ([made]) => made!
        )
      const first = yield* put("replace", 1)
      assert.deepStrictEqual(yield* put("replace", 2, { priority: 7, delayMs: 60_000 }), {
        id: first.id,
        duplicate: true
      })
      const read = sql`
        SELECT payload, priority, state, round(extract(epoch FROM run_at - now()) / 10)::int * 10 AS in_s
        FROM ostinato.jobs WHERE id = ${first.id}::bigint`
      assert.deepStrictEqual(yield* read, [{ payload: 2, priority: 7, state: "scheduled", in_s: 60 }])
      yield* put("reschedule", 3, { delayMs: 120_000 })
      assert.deepStrictEqual(yield* read, [{ payload: 2, priority: 7, state: "scheduled", in_s: 120 }])
      yield* put("reschedule", 4)
      yield* promote(100)
      const worker = yield* member()
      const [claimed] = yield* claim(worker, "replace", 1)
      assert.deepStrictEqual([claimed!.id, claimed!.payload], [first.id, 2])
      assert.deepStrictEqual(yield* put("replace", 5), { id: first.id, duplicate: true })
      assert.strictEqual(
        (yield* sql<{ payload: number }>`SELECT payload FROM ostinato.jobs WHERE id = ${first.id}::bigint`)[0]!.payload,
        2
      )
      // several of one call, in their order
      const [a, b, c] = yield* enqueue(
        [10, 11, 12].map((payload) =>
          job({ queue: "replace", payload, unique: unique("several", { onConflict: "replace" }) })
        )
      )
      assert.deepStrictEqual([a!.duplicate, b!.duplicate, c!.duplicate], [false, true, true])
      yield* promote(100)
      assert.deepStrictEqual((yield* claim(worker, "replace", 9)).map(({ payload }) => payload), [12])
    }))

  it.effect("supersede takes back what waits, and the key is there for the next in the same transaction", () =>
    Effect.gen(function*() {
      const { claim, enqueue, supersede, transaction } = yield* Store
      const [first] = yield* enqueue([job({ queue: "merge", payload: { n: 1 }, unique: unique("merge") })])
      const second = yield* transaction(Effect.gen(function*() {
        const taken = yield* supersede([key("merge"), key("no such key")])
        assert.deepStrictEqual(taken.map(({ job, key }) => [key, job.id, job.payload, job.state]), [
          [key("merge"), first!.id, { n: 1 }, "cancelled"]
        ])
        return yield* enqueue([job({ queue: "merge", payload: { n: 2 }, unique: unique("merge") })])
      }))
      assert.isFalse(second[0]!.duplicate)
      assert.deepStrictEqual(yield* holders("merge"), [second[0]!.id])
      const worker = yield* member()
      assert.deepStrictEqual((yield* claim(worker, "merge", 9)).map(({ payload }) => payload), [{ n: 2 }])
      assert.deepStrictEqual(yield* supersede([key("merge")]), [])
      const failed = yield* Effect.flip(transaction(Effect.andThen(
        enqueue([job({ queue: "merge", unique: unique("undone") })]),
        Effect.fail("no" as const)
      )))
      assert.strictEqual(failed, "no")
      assert.deepStrictEqual(yield* holders("undone"), [])
    }))

  it.effect(
    "G10 64 callers with the same 1,000 keys, half of whom roll back, leave one job for each key",
    () =>
      Effect.gen(function*() {
        const { enqueue } = yield* Store
        const sql = yield* PgClient.PgClient
        const keys = Array.from({ length: 1000 }, (_, n) => `crowd ${n}`)
        const caller = (n: number) => {
          // each in another order, so that an unsorted insert would wait in circles
          const mine = keys.map((_, at) => keys[(at * 7 + n * 31) % keys.length]!)
          const work = enqueue(mine.map((name) => job({ queue: "crowd", payload: n, unique: unique(name) })))
          return n % 2 === 0
            ? Effect.asSome(work)
            : Effect.exit(Database.transaction(Effect.andThen(work, Effect.fail("no")))).pipe(Effect.as(undefined))
        }
        const answers = yield* Effect.all(Array.from({ length: 64 }, (_, n) => caller(n)), { concurrency: "unbounded" })
        const made = answers.flatMap((answer) => answer === undefined ? [] : answer._tag === "Some" ? answer.value : [])
        assert.strictEqual(made.filter(({ duplicate }) => !duplicate).length, keys.length)
        const [row] = yield* sql<{ jobs: number; keys: number }>`
        SELECT count(*)::int AS jobs, count(DISTINCT ukey)::int AS keys FROM ostinato.jobs v JOIN ostinato.job j USING (id)
        WHERE queue = 'crowd'`
        assert.deepStrictEqual(row, { jobs: keys.length, keys: keys.length })
      }),
    30_000
  )
})

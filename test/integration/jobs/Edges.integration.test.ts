/** Jobs that wait for others, on a real server: woken once, cancelled where they can no longer go on, never forgotten. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { JobId } from "ostinato/jobs/Job"
import type { End, NewJob } from "ostinato/jobs/JobStore"
import { end, failure, job, layer as store, member, Store, unique } from "./jobs.ts"

type On = NewJob["after"][number]["on"]

const after = (...parents: ReadonlyArray<number | JobId>) =>
  parents.map((parent) => ({ parent, on: "completed" as On }))

const states = (queue: string) =>
  Effect.flatMap(PgClient.PgClient, (sql) =>
    Effect.map(
      sql<{ state: string }>`SELECT state FROM ostinato.jobs WHERE queue = ${queue} ORDER BY id`,
      (rows) => rows.map(({ state }) => state)
    ))

const ended = (outcome: End["outcome"]) => outcome === "completed" ? {} : { outcome, failure: failure("Broken") }

layer(store, { excludeTestServices: true })("edges between jobs", (it) => {
  it.effect("both parents of a diamond end at the same moment, and the child is woken once", () =>
    Effect.gen(function*() {
      const { claim, enqueue, finish, parents, promote } = yield* Store
      const many = 50
      const made = yield* enqueue(
        Array.from({ length: many }).flatMap((_, n) => [
          job({ queue: "diamond left", payload: n }),
          job({ queue: "diamond right", payload: n }),
          job({ queue: "diamond", payload: n, after: after(n * 3, n * 3 + 1) })
        ])
      )
      assert.deepStrictEqual(new Set(yield* states("diamond")), new Set(["pending"]))
      const a = yield* member()
      const b = yield* member()
      const left = yield* claim(a, "diamond left", many)
      const right = yield* claim(b, "diamond right", many)
      assert.isTrue(left.every(({ awaited }) => awaited))
      yield* Effect.forEach(
        left,
        (one, n) => Effect.all([finish(a, [end(one, { output: n })]), finish(b, [end(right[n]!)])], { concurrency: 2 }),
        { concurrency: 4 }
      )
      yield* promote(1000)
      const children = yield* claim(a, "diamond", 1000)
      assert.strictEqual(children.length, many)
      assert.strictEqual(new Set(children.map(({ id }) => id)).size, many)
      const sources = yield* parents(children[7]!.id)
      assert.deepStrictEqual(sources.map(({ id, output, state }) => [id, output, state]), [
        [made[21]!.id, 7, "completed"],
        [made[22]!.id, null, "completed"]
      ])
    }))

  it.effect("what waits goes on after the ends that it waits for, and is cancelled with all that wait for it after others", () =>
    Effect.gen(function*() {
      const { claim, enqueue, finish, promote } = yield* Store
      const sql = yield* PgClient.PgClient
      const outcomes: ReadonlyArray<End["outcome"]> = ["completed", "discarded", "cancelled"]
      const ons: ReadonlyArray<On> = ["completed", "failed", "any"]
      for (const outcome of outcomes) {
        yield* enqueue([
          job({ queue: `parent ${outcome}` }),
          ...ons.map((on) => job({ queue: outcome, after: [{ parent: 0, on }] })),
          // each waits for one of those
          ...[1, 2, 3].map((parent) =>
            job({ queue: outcome, after: after(parent), unique: unique(`${outcome} ${parent}`) })
          )
        ])
        const worker = yield* member()
        const [parent] = yield* claim(worker, `parent ${outcome}`, 1)
        yield* finish(worker, [end(parent!, ended(outcome))])
        yield* promote(100)
        const [fires, other] = outcome === "completed" ? [0, 1] : [1, 0]
        const wanted = Array<string>(6).fill("pending")
        wanted[fires] = "available"
        wanted[2] = "available"
        wanted[other] = "cancelled"
        wanted[other + 3] = "cancelled"
        assert.deepStrictEqual(yield* states(outcome), wanted)
        assert.strictEqual(
          (yield* sql`SELECT FROM ostinato.jobs WHERE queue = ${outcome} AND failure ->> 'tag' = 'ParentNotCompleted'`)
            .length,
          2
        )
        assert.strictEqual(
          (yield* sql`SELECT FROM ostinato.uniq u JOIN ostinato.jobs v ON v.id = u.job_id
          WHERE v.queue = ${outcome}`).length,
          2
        )
      }
    }))

  it.effect("a job may wait for ones that were there before: that wait, run, have ended, or are duplicates", () =>
    Effect.gen(function*() {
      const { claim, enqueue, finish, promote } = yield* Store
      const parents = yield* enqueue(
        [0, 1, 2, 3].map((payload) => job({ queue: "older", payload, unique: unique(`older ${payload}`) }))
      )
      const worker = yield* member()
      const [first, second] = yield* claim(worker, "older", 2)
      yield* finish(worker, [end(first!)])
      const ids = parents.map(({ id }) => id)
      yield* enqueue([
        job({ queue: "newer", payload: "of one that has ended", after: after(ids[0]!) }),
        job({ queue: "newer", payload: "of one that runs", after: after(ids[1]!) }),
        job({ queue: "newer", payload: "of one that waits", after: after(ids[2]!) }),
        job({ queue: "older", unique: unique("older 3") }),
        job({ queue: "newer", payload: "of a duplicate", after: after(3) }),
        job({ queue: "newer", payload: "of all", after: after(...ids) })
      ])
      const next = Effect.gen(function*() {
        yield* promote(100)
        return (yield* claim(worker, "newer", 9)).map(({ payload }) => payload)
      })
      assert.deepStrictEqual(yield* next, ["of one that has ended"])
      // claimed before anybody waited for it, and plain
      yield* finish(worker, [end(second!)])
      assert.deepStrictEqual(yield* next, ["of one that runs"])
      const rest = yield* claim(worker, "older", 9)
      yield* finish(worker, rest.map((claimed) => end(claimed)))
      assert.deepStrictEqual(yield* next, ["of one that waits", "of a duplicate", "of all"])
    }))

  it.effect("a parent that leaves no history, and ends while its child is not committed yet, wakes it all the same", () =>
    Effect.gen(function*() {
      const { claim, enqueue, finish, promote, sweep } = yield* Store
      const sql = yield* PgClient.PgClient
      for (const forget of [true, false]) {
        const queue = `race ${forget}`
        const [parent] = yield* enqueue([job({ queue, meta: { forget } })])
        const worker = yield* member()
        const [claimed] = yield* claim(worker, queue, 1)
        const there = yield* Deferred.make<void>()
        const go = yield* Deferred.make<void>()
        const slow = yield* Effect.forkChild(sql.withTransaction(Effect.gen(function*() {
          yield* enqueue([job({ queue: `${queue} child`, after: after(parent!.id) })])
          yield* Deferred.succeed(there, undefined)
          yield* Deferred.await(go)
        })))
        yield* Deferred.await(there)
        assert.strictEqual((yield* finish(worker, [end(claimed!)])).size, 0)
        yield* Deferred.succeed(go, undefined)
        yield* Fiber.join(slow)
        if (forget) yield* sweep
        yield* promote(100)
        assert.strictEqual((yield* claim(worker, `${queue} child`, 1)).length, 1, queue)
      }
    }))

  it.effect("what a crash left between a parent and its children is settled by the sweep", () =>
    Effect.gen(function*() {
      const { claim, enqueue, finish, promote, sweep } = yield* Store
      const sql = yield* PgClient.PgClient
      yield* enqueue([job({ queue: "crash" }), job({ queue: "crash child", after: after(0) })])
      const worker = yield* member()
      const [claimed] = yield* claim(worker, "crash", 1)
      yield* finish(worker, [end(claimed!)])
      yield* sql`UPDATE ostinato.edge SET settled = false WHERE parent_id = ${claimed!.id}::bigint`
      yield* sql`UPDATE ostinato.later SET state = 'w', waits = 1 WHERE queue_id = (
        SELECT id FROM ostinato.queue WHERE name = 'crash child')`
      yield* promote(100)
      assert.deepStrictEqual(yield* claim(worker, "crash child", 1), [])
      yield* sweep
      yield* promote(100)
      assert.strictEqual((yield* claim(worker, "crash child", 1)).length, 1)
    }))

  it.effect("a circle, and a place that is not in the call, are refused and nothing of the call is there", () =>
    Effect.gen(function*() {
      const { enqueue } = yield* Store
      const refusals = yield* Effect.forEach(
        [
          [job({ queue: "circle", after: after(1) }), job({ queue: "circle", after: after(0) })],
          [job({ queue: "circle", after: after(0) })],
          [job({ queue: "circle", after: after(5) })]
        ],
        (jobs) => Effect.flip(enqueue(jobs))
      )
      assert.match(refusals[0]!.message, /waits for itself/)
      assert.match(refusals[1]!.message, /waits for itself/)
      assert.match(refusals[2]!.message, /place 5 of 1/)
      assert.deepStrictEqual(yield* states("circle"), [])
    }))

  it.effect("1,000 children of one parent, and a chain of 200, go on", () =>
    Effect.gen(function*() {
      const { claim, enqueue, finish, promote } = yield* Store
      yield* enqueue([
        job({ queue: "wide parent" }),
        ...Array.from({ length: 1000 }, () => job({ queue: "wide", after: after(0) }))
      ])
      const worker = yield* member()
      const [parent] = yield* claim(worker, "wide parent", 1)
      yield* finish(worker, [end(parent!)])
      yield* promote(10_000)
      assert.strictEqual((yield* claim(worker, "wide", 2000)).length, 1000)
      yield* enqueue(
        Array.from({ length: 200 }, (_, n) => job({ queue: "chain", ...(n === 0 ? {} : { after: after(n - 1) }) }))
      )
      const [head] = yield* claim(worker, "chain", 9)
      yield* finish(worker, [end(head!, ended("discarded"))])
      assert.strictEqual((yield* states("chain")).filter((state) => state === "cancelled").length, 199)
    }))
})

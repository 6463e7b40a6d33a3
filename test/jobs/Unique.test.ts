import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { RunContext, Task } from "ostinato"
import { type Job, JobFilter, JobQueue, JobStore, JobWorker } from "ostinato/jobs"
import { keyOf } from "../../src/jobs/internal/unique/key.ts"
import { job, pass, reaches, store } from "./Working.ts"

const Index = Task.make("index", { payload: { space: Schema.String, ids: Schema.Array(Schema.Int) } })
const Thumb = Task.make("thumb", {
  payload: { hash: Schema.String, generator: Schema.Int },
  error: Schema.String
})

const all = JobQueue.query(JobFilter.all)
const index = (
  ids: ReadonlyArray<number>,
  unique: NonNullable<JobQueue.JobOptions<typeof Index.payload.Type>["unique"]>
) => JobQueue.enqueue(Index, { space: "docs", ids }, { unique })

describe("unique jobs", () => {
  it.effect.prop("the key of a payload does not depend on the order in which its fields were written", {
    fields: Schema.Record(Schema.String, Schema.Json)
  }, ({ fields }) =>
    Effect.sync(() => {
      const turned = Object.fromEntries(Object.entries(fields).reverse())
      assert.strictEqual(keyOf("t", null, { fields }, undefined), keyOf("t", null, { fields: turned }, undefined))
    }), { arbitrary: { runs: 100 } })

  it("the key tells tasks, tenants, fields and values apart", () => {
    const keys = [
      keyOf("a", null, { x: 1, y: 2 }, undefined),
      keyOf("b", null, { x: 1, y: 2 }, undefined),
      keyOf("a", "t", { x: 1, y: 2 }, undefined),
      keyOf("a", null, { x: 1, y: 2 }, ["x"]),
      keyOf("a", null, { x: 1, y: 2 }, ["y"]),
      keyOf("a", null, { x: "1", y: 2 }, ["x"]),
      keyOf("a", null, { x: [1, 2] }, ["x"]),
      keyOf("a", null, { x: [2, 1] }, ["x"]),
      keyOf("a", null, { x: null }, ["x", "__proto__"]),
      keyOf("a", null, {}, [])
    ]
    assert.strictEqual(new Set(keys).size, keys.length)
    for (const key of keys) assert.match(key, /^[0-9a-f]{64}$/)
    assert.strictEqual(keyOf("a", null, { x: 1 }, ["y", "x"]), keyOf("a", null, { x: 1 }, ["x", "y", "x"]))
  })

  it.effect("by chosen fields, within the tenant, until the job is done", () =>
    Effect.gen(function*() {
      const by = { by: ["space"] } as const
      const first = yield* index([1], by)
      assert.deepStrictEqual(yield* index([2], by), { id: first.id, duplicate: true })
      const other = yield* RunContext.within({ tenant: "acme" })(index([2], by))
      assert.isFalse(other.duplicate)
      yield* JobQueue.cancel([first.id])
      assert.isFalse((yield* index([3], by)).duplicate)
    }).pipe(Effect.provide(store)))

  it.effect("until it has started, and within a time that outlives its end", () =>
    Effect.gen(function*() {
      const started = yield* index([1], { by: [], until: "started" })
      const timed = yield* index([1], { by: ["ids"], within: "1 hour" })
      const working = JobWorker.layer({ queues: { default: {} }, tasks: [Index] }).pipe(
        Layer.provide(Index.toLayer(() => Effect.void))
      )
      yield* Effect.andThen(reaches(started.id, "completed"), reaches(timed.id, "completed")).pipe(
        Effect.provide(working)
      )
      assert.isFalse((yield* index([1], { by: [], until: "started" })).duplicate)
      assert.deepStrictEqual(yield* index([1], { by: ["ids"], within: "1 hour" }), { id: timed.id, duplicate: true })
      yield* TestClock.adjust("1 hour")
      assert.isFalse((yield* index([1], { by: ["ids"], within: "1 hour" })).duplicate)
    }).pipe(Effect.provide(store)))

  it.effect("a holder that waits is replaced, rescheduled or merged with; one that runs is left alone", () =>
    Effect.gen(function*() {
      const by = { by: ["space"] } as const
      const held = yield* JobQueue.enqueue(Index, { space: "docs", ids: [1] }, { unique: by, delay: "1 hour" })
      yield* index([2], { ...by, onConflict: "replace" })
      yield* Effect.flatMap(JobStore.JobStore, (jobs) => jobs.promote(10))
      assert.deepInclude(yield* job(held.id), { state: "available", payload: { space: "docs", ids: [2] } })
      yield* JobQueue.enqueue(Index, { space: "docs", ids: [3] }, {
        unique: { ...by, onConflict: "reschedule" },
        delay: "2 hours"
      })
      assert.deepInclude(yield* job(held.id), { state: "scheduled", payload: { space: "docs", ids: [2] } })
      const merge = {
        ...by,
        onConflict: {
          merge: (a: typeof Index.payload.Type, b: typeof Index.payload.Type) => ({ ...a, ids: [...a.ids, ...b.ids] })
        }
      }
      const merged = yield* JobQueue.enqueueAll(
        [4, 5].map((n) => JobQueue.job(Index, { space: "docs", ids: [n] }, { unique: merge }))
      )
      assert.strictEqual(merged[0]?.id, merged[1]?.id)
      assert.deepStrictEqual(merged.map(({ duplicate }) => duplicate), [false, true])
      const [one] = yield* JobQueue.query({ ...JobFilter.all, states: ["available", "scheduled"] })
      assert.deepStrictEqual([one?.id, one?.payload], [merged[0]?.id, { space: "docs", ids: [2, 4, 5] }])
    }).pipe(Effect.provide(store)))

  it.effect("a merge with a job that runs already makes none, and says which it is", () =>
    Effect.gen(function*() {
      const unique = { by: ["space"] as const, onConflict: { merge: (a: typeof Index.payload.Type) => a } }
      const first = yield* index([1], unique)
      yield* Layer.build(
        JobWorker.layer({ queues: { default: {} }, tasks: [Index], drain: "0 seconds" }).pipe(
          Layer.provide(Index.toLayer(() => Effect.never))
        )
      )
      yield* reaches(first.id, "running")
      assert.deepStrictEqual(yield* index([2], unique), { id: first.id, duplicate: true })
      yield* JobQueue.cancel([first.id])
      yield* pass(10)
    }).pipe(Effect.scoped, Effect.provide(store)))

  it.effect("a merge that breaks changes nothing", () =>
    Effect.gen(function*() {
      const first = yield* index([1], { by: ["space"] })
      const error = yield* Effect.flip(index([2], {
        by: ["space"],
        onConflict: {
          merge: () => {
            throw new Error("no idea")
          }
        }
      }))
      assert.include(error.message, "its merge failed: no idea")
      assert.deepInclude(yield* job(first.id), { state: "available", payload: { space: "docs", ids: [1] } })
      assert.strictEqual((yield* all).length, 1)
    }).pipe(Effect.provide(store)))

  it.effect(
    "S3.28 what failed for good is discarded with its reason and not tried again for the same content and version; " +
      "a new version is, and a retry by hand",
    () => {
      let works = false
      const thumb = (hash: string, generator: number) =>
        JobQueue.enqueue(Thumb, { hash, generator }, { unique: { by: ["hash", "generator"], until: "forever" } })
      return Effect.gen(function*() {
        const first = yield* thumb("a", 1)
        const failed = yield* reaches(first.id, "discarded")
        assert.deepInclude(failed.failure, { kind: "failure", message: "cannot read a" })
        assert.deepStrictEqual(yield* thumb("a", 1), { id: first.id, duplicate: true })
        const newer = yield* thumb("a", 2)
        assert.isFalse(newer.duplicate)
        yield* reaches(newer.id, "discarded")
        works = true
        assert.deepStrictEqual((yield* JobQueue.retry([first.id])).changed, [first.id])
        yield* reaches(first.id, "completed")
        assert.deepStrictEqual(yield* thumb("a", 1), { id: first.id, duplicate: true })
      }).pipe(
        Effect.provide(
          JobWorker.layer({ queues: { default: {} }, tasks: [Thumb] }).pipe(
            Layer.provide(
              Thumb.toLayer(({ hash }) =>
                Effect.suspend(() => works ? Effect.void : Effect.fail(`cannot read ${hash}`))
              )
            ),
            Layer.provideMerge(store)
          )
        )
      )
    }
  )

  it.effect("S3.31 what is queued twice by content is one job", () =>
    Effect.gen(function*() {
      const files = ["a", "b", "a", "c", "a"]
      const answers = yield* JobQueue.enqueueAll(
        files.map((hash) => JobQueue.job(Thumb, { hash, generator: 1 }, { unique: { by: ["hash"] } }))
      )
      assert.deepStrictEqual(answers.map(({ duplicate }) => duplicate), [false, false, true, false, true])
      assert.strictEqual(answers[2]?.id, answers[0]?.id)
      yield* TestClock.adjust(1)
      const ids = new Set<Job.JobId>((yield* all).map(({ id }) => id))
      assert.strictEqual(ids.size, 3)
    }).pipe(Effect.provide(store)))
})

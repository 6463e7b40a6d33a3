import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { Task } from "ostinato"
import * as ChunkedTask from "ostinato/jobs/ChunkedTask"
import * as JobQueue from "ostinato/jobs/JobQueue"
import { JobStore } from "ostinato/jobs/JobStore"
import { job, pass, reaches, settle, store, until, worker } from "./Working.ts"

class Refused extends Schema.TaggedError<Refused>()("Refused", { n: Schema.Int }) {}

const Index = Task.make("index", { payload: { n: Schema.Int }, success: Schema.Int, error: Refused })

const many = (ns: ReadonlyArray<number>) => JobQueue.enqueueAll(ns.map((n) => JobQueue.job(Index, { n })))

const queues = { default: { concurrency: 100, prefetch: 0 } }

describe("a chunked task", () => {
  it.effect("S2.93 gives its handler as many jobs as a call may have, and each ends on its own", () =>
    Effect.gen(function*() {
      const calls: Array<ReadonlyArray<number>> = []
      const Chunked = ChunkedTask.make(Index, { size: 4, wait: "1 second" }, (items) =>
        Effect.sync(() => {
          calls.push(items.map(({ payload }) => payload.n))
          return items.map(({ payload: { n } }) => n === 2 ? Result.fail(new Refused({ n })) : Result.succeed(n * 10))
        }))
      const enqueued = yield* many([1, 2, 3, 4, 5, 6, 7, 8])
      yield* Effect.gen(function*() {
        for (const { id } of enqueued) yield* reaches(id, "completed", "discarded")
        const jobs = yield* Effect.forEach(enqueued, ({ id }) => job(id))
        assert.deepStrictEqual(jobs.map(({ output }) => output), [10, null, 30, 40, 50, 60, 70, 80])
        assert.strictEqual(jobs[1]?.failure?.tag, "Refused")
      }).pipe(Effect.provide(worker([Chunked], { queues })))
      assert.deepStrictEqual(calls, [[1, 2, 3, 4], [5, 6, 7, 8]])
    }).pipe(Effect.provide(store)))

  it.effect("S2.93 calls its handler with fewer when the first has waited long enough", () =>
    Effect.gen(function*() {
      const calls: Array<number> = []
      const Chunked = ChunkedTask.make(Index, { size: 100, wait: "200 millis" }, (items) =>
        Effect.sync(() => {
          calls.push(items.length)
          return items.map(() => Result.succeed(0))
        }))
      const enqueued = yield* many([1, 2, 3])
      yield* Effect.gen(function*() {
        yield* reaches(enqueued[2]!.id, "running")
        yield* pass(0.1, 0.1)
        assert.deepStrictEqual(calls, [])
        yield* pass(0.2, 0.1)
        yield* reaches(enqueued[2]!.id, "completed")
      }).pipe(Effect.provide(worker([Chunked], { queues })))
      assert.deepStrictEqual(calls, [3])
    }).pipe(Effect.provide(store)))

  it.effect("a call that fails fails all of its jobs, and their retries are their own", () =>
    Effect.gen(function*() {
      let calls = 0
      const Retried = { ...Index, retry: Schedule.recurs(1) }
      const Chunked = ChunkedTask.make(Retried, { size: 2 }, (items) =>
        Effect.suspend(() =>
          ++calls === 1 ? new Refused({ n: items.length }) : Effect.succeed(items.map(() =>
            Exit.succeed(7)
          ))
        ))
      const enqueued = yield* many([1, 2])
      yield* Effect.gen(function*() {
        yield* pass(1)
        for (const { id } of enqueued) {
          assert.deepInclude(yield* reaches(id, "completed"), { output: 7, attempt: 2 })
        }
      }).pipe(Effect.provide(worker([Chunked], { queues })))
      assert.strictEqual(calls, 2)
    }).pipe(Effect.provide(store)))

  it.effect("a handler that gives too few outcomes breaks all of them, and says so", () =>
    Effect.gen(function*() {
      const Chunked = ChunkedTask.make(Index, { size: 2 }, () => Effect.succeed([Result.succeed(1)]))
      const [first, second] = yield* many([1, 2])
      yield* Effect.gen(function*() {
        for (const { id } of [first!, second!]) {
          assert.include((yield* reaches(id, "discarded")).failure?.message, "gave 1 outcomes for 2 items")
        }
      }).pipe(Effect.provide(worker([Chunked], { queues })))
    }).pipe(Effect.provide(store)))

  it.effect("a job that is cancelled leaves the others alone; a call that all have left ends, its finalizers first", () =>
    Effect.gen(function*() {
      const jobs = yield* JobStore
      const events: Array<string> = []
      const go = yield* Latch.make()
      const Chunked = ChunkedTask.make(Index, { size: 2 }, (items) =>
        Effect.gen(function*() {
          const ids = items.map(({ job }) => job!.id)
          yield* Effect.addFinalizer(() =>
            Effect.map(Effect.orDie(jobs.getMany(ids)), (all) => void events.push(...all.map(({ state }) => state)))
          )
          events.push("begun")
          yield* go.await
          return items.map(() => Result.succeed(1))
        }))
      const by = { actor: "ada", reason: null }
      const [a, b, c, d] = yield* many([1, 2, 3, 4])
      yield* Effect.gen(function*() {
        yield* until("both calls", Effect.sync(() => events.length === 2))
        yield* jobs.cancel([a!.id], by)
        yield* settle
        assert.deepStrictEqual(events, ["begun", "begun"])
        yield* jobs.cancel([b!.id], by)
        yield* pass(0.2, 0.1)
        yield* reaches(a!.id, "cancelled")
        yield* reaches(b!.id, "cancelled")
        assert.deepStrictEqual(events.splice(0), ["begun", "begun", "running", "running"])
        yield* jobs.cancel([c!.id], by)
        yield* pass(0.2, 0.1)
        yield* go.open
        yield* reaches(d!.id, "completed")
        yield* reaches(c!.id, "cancelled")
      }).pipe(Effect.provide(worker([Chunked], { queues })))
    }).pipe(Effect.provide(store)))

  it.effect("what a call logs is kept with each of its jobs", () =>
    Effect.gen(function*() {
      const Chunked = ChunkedTask.make(Index, { size: 2 }, (items) =>
        Effect.as(
          Effect.logInfo("together"),
          items.map(() => Result.succeed(1))
        ))
      const enqueued = yield* many([1, 2])
      yield* Effect.gen(function*() {
        for (const { id } of enqueued) {
          yield* reaches(id, "completed")
          const [attempt] = yield* (yield* JobStore).attempts(id)
          assert.deepStrictEqual(attempt?.logs.map(({ message }) => message), ["together"])
        }
      }).pipe(Effect.provide(worker([Chunked], { queues })))
    }).pipe(Effect.provide(store)))
})

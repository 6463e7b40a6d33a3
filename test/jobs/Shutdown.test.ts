import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { Task } from "ostinato"
import { JobStoreUnavailable } from "ostinato/jobs/JobError"
import * as JobQueue from "ostinato/jobs/JobQueue"
import { type Enqueued, JobStore } from "ostinato/jobs/JobStore"
import * as JobWorker from "ostinato/jobs/JobWorker"
import { changed, job, pass, reaches, settle, store, worker } from "./Working.ts"

class Flaky extends Schema.TaggedError<Flaky>()("Flaky", {}) {}

const Work = Task.make("work", { payload: { seconds: Schema.Finite } })

const works = Work.toLayer(({ seconds }) => Effect.sleep(seconds * 1000))

/** Stops the worker and gives its report and the seconds that it took. */
const stopped = Effect.gen(function*() {
  const { stop } = yield* JobWorker.JobWorker
  const before = yield* Clock.currentTimeMillis
  const fiber = yield* Effect.forkChild(Effect.all([stop, Clock.currentTimeMillis]))
  yield* pass(8, 0.1)
  const [report, after] = yield* Fiber.join(fiber)
  return { report, seconds: (after - before) / 1000 }
})

const tick = Effect.andThen(TestClock.adjust(5), Effect.repeat(Effect.yieldNow, { times: 8 }))

describe("the stop of a worker", () => {
  it.effect("S3.20 lets what runs end, and gives back what has not begun, unspent", () =>
    Effect.gen(function*() {
      const enqueued = yield* JobQueue.enqueueAll([1, 2, 3].map(() => JobQueue.job(Work, { seconds: 5 })))
      const result = yield* Effect.andThen(Effect.andThen(reaches(enqueued[0]!.id, "running"), settle), stopped).pipe(
        Effect.provide(Layer.provide(
          worker([Work], { queues: { default: { concurrency: 1, prefetch: 2 } }, drain: "10 seconds" }),
          works
        ))
      )
      assert.deepStrictEqual(result.report, { completed: 1, handedBack: 0, abandoned: 0, unrecorded: 0 })
      assert.isBelow(result.seconds, 6)
      assert.strictEqual((yield* job(enqueued[0]!.id)).state, "completed")
      for (const { id } of enqueued.slice(1)) {
        assert.deepInclude(yield* job(id), { state: "available", attempt: 0, lost: 0 })
      }
    }).pipe(Effect.provide(store)))

  it.effect("takes no longer than drain, grace and a second whatever handlers do, and says what it let go", () =>
    Effect.gen(function*() {
      const Stubborn = Task.make("stubborn")
      const { id } = yield* JobQueue.enqueue(Stubborn, {})
      const result = yield* Effect.andThen(reaches(id, "running"), stopped).pipe(
        Effect.provide(Layer.provide(
          worker([Stubborn], { drain: "4 seconds", grace: "2 seconds" }),
          Stubborn.toLayer(() => Effect.uninterruptible(Effect.never))
        ))
      )
      assert.deepStrictEqual(result.report, { completed: 0, handedBack: 0, abandoned: 1, unrecorded: 0 })
      assert.isAtMost(result.seconds, 7)
      // it may still go on, so nobody else gets it before its lease is over
      assert.strictEqual((yield* job(id)).state, "running")
    }).pipe(Effect.provide(store)))

  it.effect("takes no longer where the store is away, and says how many ends it could not be told", () => {
    let isAway = false
    return Effect.gen(function*() {
      const { id } = yield* JobQueue.enqueue(Work, { seconds: 1 })
      const result = yield* Effect.gen(function*() {
        yield* reaches(id, "running")
        isAway = true
        return yield* stopped
      }).pipe(
        Effect.provide(Layer.provide(worker([Work], { drain: "4 seconds", grace: "2 seconds" }), works))
      )
      assert.deepInclude(result.report, { unrecorded: 1 })
      assert.isAtMost(result.seconds, 7)
    }).pipe(Effect.provide(changed((jobs) => ({
      finish: (...args) =>
        Effect.suspend(() =>
          isAway ? Effect.fail(new JobStoreUnavailable({ operation: "finish", detail: "gone" })) : jobs.finish(...args)
        )
    }))))
  })

  it.effect("S3.22 finds a job in its work, in its queue or between two attempts, and releases what it holds", () =>
    Effect.gen(function*() {
      const held = { count: 0, files: [] as Array<string> }
      const Write = Task.make("write", {
        payload: { name: Schema.String },
        error: Flaky,
        retry: Schedule.spaced("1 minute")
      })
      const live = Write.toLayer(({ name }) =>
        Effect.acquireUseRelease(
          Effect.sync(() => {
            held.count += 1
            held.files.push(`${name}.part`)
          }),
          () => name === "flaky" ? Effect.fail(new Flaky()) : Effect.never,
          () =>
            Effect.sync(() => {
              held.count -= 1
              held.files.splice(held.files.indexOf(`${name}.part`), 1)
            })
        )
      )
      const [between, working, queued] = yield* JobQueue.enqueueAll(
        ["flaky", "long", "waiting"].map((name) => JobQueue.job(Write, { name }))
      )
      yield* Effect.gen(function*() {
        yield* reaches(between!.id, "retryable")
        yield* reaches(working!.id, "running")
        assert.deepStrictEqual(held.files, ["long.part"])
        yield* stopped
      }).pipe(
        Effect.provide(Layer.provide(worker([Write], { queues: { default: { concurrency: 1, prefetch: 0 } } }), live))
      )
      assert.deepStrictEqual(held, { count: 0, files: [] })
      assert.deepInclude(yield* job(between!.id), { state: "retryable", attempt: 1 })
      assert.deepInclude(yield* job(working!.id), { state: "available", attempt: 0 })
      assert.deepInclude(yield* job(queued!.id), { state: "available", attempt: 0 })
    }).pipe(Effect.provide(store)))

  it.effect(
    "S3.21 ends within its budget at 1,000 random instants, and no job is lost, doubled or burnt by it",
    () =>
      Effect.gen(function*() {
        const jobs = yield* JobStore
        const runs = { begun: 0, ended: 0, interrupted: 0 }
        const Short = Task.make("short", { payload: { millis: Schema.Finite } })
        const live = Short.toLayer(({ millis }) =>
          Effect.suspend(() => {
            runs.begun += 1
            return millis === 0 ? Effect.void : Effect.sleep(millis)
          }).pipe(
            Effect.tap(Effect.sync(() => {
              runs.ended += 1
            })),
            Effect.onInterrupt(() =>
              Effect.sync(() => {
                runs.interrupted += 1
              })
            )
          )
        )
        const enqueued: Array<Enqueued> = []
        const stoppedAtRandom = Effect.scoped(Effect.gen(function*() {
          yield* Effect.repeat(Effect.yieldNow, { times: yield* Random.nextIntBetween(0, 20) })
          yield* Layer.build(Layer.provide(
            JobWorker.layer({
              queues: { default: { concurrency: 2, prefetch: 1 } },
              tasks: [Short],
              drain: 20,
              grace: 10,
              maintenance: false
            }),
            live
          ))
          yield* Effect.repeat(Effect.yieldNow, { times: yield* Random.nextIntBetween(0, 40) })
        }))
        // ten workers at a time, which take jobs from one another
        for (let round = 0; round < 100; round++) {
          const millis = yield* Effect.replicateEffect(Random.nextIntBetween(0, 25), 15)
          enqueued.push(...(yield* JobQueue.enqueueAll(millis.map((millis) => JobQueue.job(Short, { millis })))))
          const before = yield* Clock.currentTimeMillis
          const fiber = yield* Effect.forkChild(
            Effect.all(Array.from({ length: 10 }, () => stoppedAtRandom), { concurrency: "unbounded", discard: true })
          )
          for (let turn = 0; fiber.pollUnsafe() === undefined; turn++) {
            if (turn > 300) return yield* Effect.die(new Error(`round ${round}: the stop does not end`))
            yield* tick
          }
          yield* Fiber.join(fiber)
          assert.isAtMost((yield* Clock.currentTimeMillis) - before, 1100)
        }
        assert.strictEqual(runs.begun, runs.ended + runs.interrupted)
        yield* Effect.gen(function*() {
          yield* pass(60)
          for (const { id } of enqueued) {
            assert.deepInclude(yield* reaches(id, "completed"), { attempt: 1, lost: 0 })
          }
        }).pipe(Effect.provide(Layer.provide(worker([Short]), live)))
        assert.strictEqual(runs.ended, enqueued.length)
        assert.strictEqual((yield* jobs.queues)[0]?.counts.running, 0)
      }).pipe(Effect.provide(store)),
    60_000
  )
})

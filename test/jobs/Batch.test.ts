import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { Task } from "ostinato"
import { JobBatch, JobFilter, JobQueue, JobWorker } from "ostinato/jobs"
import { settle, store } from "./Working.ts"

class Odd extends Schema.TaggedError<Odd>()("Odd", { n: Schema.Int }) {}

const Half = Task.make("half", { payload: { n: Schema.Int }, success: Schema.Int, error: Odd })
const Name = Task.make("name", { payload: { n: Schema.Int }, success: Schema.String })
const Sum = Task.make("sum", {
  payload: { start: Schema.Int },
  success: Schema.Struct({ sum: Schema.Int, odd: Schema.Array(Schema.Int) })
})

const HalfLive = Half.toLayer(({ n }) => n % 2 === 0 ? Effect.succeed(n / 2) : Effect.fail(new Odd({ n })))
const SumLive = Sum.toLayer(Effect.fnUntraced(function*({ start }) {
  const halves = yield* Effect.orDie(JobBatch.results(Half))
  return {
    sum: halves.filter(Result.isSuccess).reduce((sum, { success }) => sum + success, start),
    odd: halves.flatMap((half) => Result.isFailure(half) && half.failure instanceof Odd ? [half.failure.n] : [])
  }
}))

const working = (half = HalfLive) =>
  JobWorker.layer({ queues: { default: {} }, tasks: [Half, Name, Sum] }).pipe(
    Layer.provide([half, SumLive, Name.toLayer(({ n }) => Effect.succeed(`${n}`))]),
    Layer.provideMerge(store)
  )

describe("JobBatch", () => {
  it.effect("S2.93 folds the typed results of all jobs, failed ones too, in the order in which they were given", () =>
    Effect.gen(function*() {
      const { fold, jobs } = yield* JobBatch.enqueue({
        jobs: [
          ...[9, 2, 7, 4].map((n) => JobQueue.job(Half, { n })),
          JobQueue.job(Name, { n: 1 })
        ],
        fold: JobQueue.job(Sum, { start: 100 })
      })
      assert.strictEqual(jobs.length, 5)
      assert.deepStrictEqual(yield* JobQueue.result(Sum, fold.id), { sum: 103, odd: [9, 7] })
      const status = yield* JobBatch.status(fold.id)
      assert.deepStrictEqual(status, { state: "completed", jobs: 5, counts: { completed: 3, discarded: 2 } })
    }).pipe(Effect.provide(working())))

  it.effect("folds when the last job has ended, not before, and says how far it is", () => {
    const open = Deferred.makeUnsafe<void>()
    return Effect.gen(function*() {
      const { fold } = yield* JobBatch.enqueue({
        jobs: [JobQueue.job(Half, { n: 2 }), JobQueue.job(Name, { n: 1 })],
        fold: JobQueue.job(Sum, { start: 0 })
      })
      yield* settle
      const before = yield* JobBatch.status(fold.id)
      assert.deepStrictEqual(before, { state: "pending", jobs: 2, counts: { running: 1, completed: 1 } })
      yield* Deferred.succeed(open, undefined)
      assert.strictEqual((yield* JobQueue.result(Sum, fold.id)).sum, 1)
    }).pipe(
      Effect.provide(working(Half.toLayer(({ n }) => Effect.as(Deferred.await(open), n / 2))))
    )
  })

  it.effect("without jobs it is folded at once", () =>
    Effect.gen(function*() {
      const { fold } = yield* JobBatch.enqueue({ jobs: [], fold: JobQueue.job(Sum, { start: 5 }) })
      assert.deepStrictEqual(yield* JobQueue.result(Sum, fold.id), { sum: 5, odd: [] })
    }).pipe(Effect.provide(working())))

  it.effect("enqueues nothing where one job is refused", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(JobBatch.enqueue({
        jobs: [JobQueue.job(Half, { n: 2 }), JobQueue.job(Half, { n: 1.5 })],
        fold: JobQueue.job(Sum, { start: 5 })
      }))
      assert.strictEqual(error._tag, "JobInvalid")
      assert.strictEqual(yield* JobQueue.count(JobFilter.all), 0)
    }).pipe(Effect.provide(working())))

  it.effect("outside of a job there are no results to fold", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Task.run(
        Task.fn("fold", { error: Schema.String }, () =>
          Effect.mapError(JobBatch.results(Half), ({ message }) =>
            message)),
        {}
      ))
      assert.include(String(error), "there is no job")
    }).pipe(Effect.provide(store)))
})

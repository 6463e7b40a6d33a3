import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { Pipeline, Task } from "ostinato"
import { JobFilter, JobGraph, JobQueue, JobWorker } from "ostinato/jobs"
import { pass, store } from "./Working.ts"

const Work = Task.make("work", { payload: { n: Schema.Int }, success: Schema.Int, error: Schema.String })

const working = <T extends Task.Any>(
  pipeline: T,
  work: (n: number) => Effect.Effect<number, string> = (n) => Effect.succeed(n * 10)
) =>
  Layer.build(
    JobWorker.layer({ queues: { default: {} }, tasks: JobGraph.tasks(pipeline) }).pipe(
      Layer.provide(Work.toLayer(({ n }) => work(n)))
    )
  )

const Alone = Pipeline.make("alone").pipe(
  Pipeline.stage("one", Work, { input: () => ({ n: 1 }) })
)

describe("JobGraph", () => {
  it.effect("runs no more stages at once than the pipeline says", () => {
    let running = 0
    let most = 0
    const Narrow = Pipeline.make("narrow", { concurrency: 2 }).pipe(
      Pipeline.stage("a", Work, { after: [], input: () => ({ n: 1 }) }),
      Pipeline.stage("b", Work, { after: [], input: () => ({ n: 2 }) }),
      Pipeline.stage("c", Work, { after: [], input: () => ({ n: 3 }) }),
      Pipeline.stage("d", Work, { after: [], input: () => ({ n: 4 }) })
    )
    return Effect.gen(function*() {
      yield* working(Narrow, (n) =>
        Effect.gen(function*() {
          running += 1
          most = Math.max(most, running)
          yield* Effect.sleep("1 second")
          running -= 1
          return n
        }))
      const { id } = yield* JobGraph.enqueue(Narrow, {})
      yield* pass(6)
      assert.deepStrictEqual(yield* JobQueue.result(Narrow, id), { a: 1, b: 2, c: 3, d: 4 })
      assert.strictEqual(most, 2)
    }).pipe(Effect.scoped, Effect.provide(store))
  })

  it.effect("collects the failures of all stages where the pipeline does, and skips only what comes after them", () => {
    const Collect = Pipeline.make("collecting", { mode: "collect" }).pipe(
      Pipeline.stage("a", Work, { after: [], input: () => ({ n: -1 }) }),
      Pipeline.stage("b", Work, { after: [], input: () => ({ n: -2 }) }),
      Pipeline.stage("c", Work, { after: [], input: () => ({ n: 3 }) }),
      Pipeline.stage("d", Work, { after: ["a"], input: ({ a }) => ({ n: a }) }),
      Pipeline.stage("e", Work, { after: ["c"], input: ({ c }) => ({ n: c }) })
    )
    return Effect.gen(function*() {
      yield* working(Collect, (n) => n < 0 ? Effect.fail(`no ${n}`) : Effect.succeed(n))
      const { id } = yield* JobGraph.enqueue(Collect, {})
      const error = yield* Effect.flip(JobQueue.result(Collect, id))
      assert.instanceOf(error, Pipeline.PipelineErrors)
      assert.deepStrictEqual(
        error instanceof Pipeline.PipelineErrors ? error.errors.map(({ cause, stage }) => [stage, cause]) : [],
        [["a", "no -1"], ["b", "no -2"]]
      )
      const jobs = yield* JobQueue.query(JobFilter.all)
      assert.deepStrictEqual(
        jobs.map(({ state, task }) => `${task} ${state}`).sort(),
        [
          "collecting discarded",
          "collecting/a discarded",
          "collecting/b discarded",
          "collecting/c completed",
          "collecting/d cancelled",
          "collecting/e completed"
        ]
      )
    }).pipe(Effect.scoped, Effect.provide(store))
  })

  it.effect("a stage that is itself a pipeline is one job", () => {
    const Outer = Pipeline.make("outer").pipe(
      Pipeline.stage("inner", Alone, { input: () => ({}) }),
      Pipeline.stage("last", Work, { input: ({ inner }) => ({ n: inner.one }) })
    )
    return Effect.gen(function*() {
      yield* working(Outer)
      const { id } = yield* JobGraph.enqueue(Outer, {})
      assert.deepStrictEqual(yield* JobQueue.result(Outer, id), { inner: { one: 10 }, last: 100 })
      assert.strictEqual(yield* JobQueue.count(JobFilter.all), 3)
    }).pipe(Effect.scoped, Effect.provide(store))
  })
})

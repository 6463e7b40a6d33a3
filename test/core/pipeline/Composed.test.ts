import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { Attempt, Executor, Interceptor, MemoryRunLog, Pipeline, RunContext, Task, TaskError } from "ostinato"
import { newest, run } from "./observed.ts"

class Busy extends Schema.TaggedError<Busy>()("Busy", {}) {}

const Double = Task.fn(
  "test.double",
  { payload: { n: Schema.Int }, success: Schema.Int },
  ({ n }) => Effect.succeed(n * 2)
)
const Doubled = Pipeline.make("test.doubled", { payload: { n: Schema.Int } }).pipe(
  Pipeline.stage("once", Double, { input: ({ payload }) => payload }),
  Pipeline.stage("twice", Double, { input: ({ once }) => ({ n: once }) }),
  Pipeline.output(Schema.Struct({ n: Schema.Int }), ({ twice }) => ({ n: twice }))
)

describe("Pipeline as a task", () => {
  it.effect("S0.37 S0.38 it is a stage, a member and a mapped task like any other, and keeps its name", () =>
    Effect.gen(function*() {
      assert.strictEqual(Doubled.name, "test.doubled")
      const nested = Pipeline.make("test.nested", { payload: { n: Schema.Int } }).pipe(
        Pipeline.stage("inner", Doubled, { input: ({ payload }) => payload }),
        Pipeline.stage("outer", Task.andThen(Doubled, Double), { input: ({ inner }) => inner })
      )
      assert.deepStrictEqual(yield* run(nested, { n: 1 }), { inner: { n: 4 }, outer: 32 })
      const { stages } = yield* newest
      assert.deepStrictEqual(stages.map(({ stage }) => stage), [
        "test.nested/inner/test.doubled/once",
        "test.nested/inner/test.doubled/twice",
        "test.nested/outer/1/test.doubled/once",
        "test.nested/outer/1/test.doubled/twice",
        "test.nested/inner",
        "test.nested/outer"
      ])
      const all = Task.all({ a: Doubled, b: Task.map(Doubled, Schema.Int, ({ n }) => n + 1) })
      assert.deepStrictEqual(yield* Task.run(all, { a: { n: 1 }, b: { n: 2 } }), { a: { n: 4 }, b: 9 })
    }).pipe(Effect.provide(MemoryRunLog.layer())))

  it.effect("a stage has the retries and the timeout that it says, instead of those of its task", () => {
    let calls = 0
    const flaky = Task.fn(
      "test.flaky",
      { success: Schema.Int, error: Busy },
      () => Effect.suspend(() => ++calls < 3 ? Effect.fail(new Busy()) : Effect.succeed(calls))
    )
    const endless = Task.fn("test.endless", { timeout: "1 hour" }, () => Effect.never)
    const pipeline = Pipeline.make("test.patient").pipe(
      Pipeline.stage("flaky", flaky, {
        retry: Schedule.spaced("1 second").pipe(Schedule.upTo({ times: 5 })),
        input: () => ({})
      }),
      Pipeline.stage("endless", endless, { timeout: "1 minute", input: () => ({}) })
    )
    return Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(Effect.flip(Task.run(pipeline, {})))
      yield* TestClock.adjust("62 seconds")
      const error = yield* Fiber.join(fiber)
      assert.strictEqual(calls, 3)
      assert.instanceOf(error, Pipeline.PipelineError)
      assert.deepStrictEqual([error.stage, error.cause], [
        "endless",
        new TaskError.TaskTimeout({ task: "test.endless", timeoutMs: 60_000 })
      ])
    })
  })

  it.effect("D.11 interceptors see every attempt of every stage in the declared order, on an executor too", () => {
    const events: Array<string> = []
    const named = (name: string): Interceptor.Interceptor => (attempt, { task }) =>
      Effect.onExit(
        Effect.andThen(Effect.sync(() => events.push(`${name} ${task}`)), attempt),
        (exit) => Effect.sync(() => events.push(`${name} ${task} ${exit._tag}`))
      )
    const pipeline = Pipeline.make("test.seen").pipe(
      Pipeline.stage("here", Double, { input: () => ({ n: 1 }) }),
      Pipeline.stage("there", Task.named(Double, "test.there"), { executor: apart, input: () => ({ n: 1 }) })
    )
    return Effect.gen(function*() {
      yield* run(pipeline, {})
      assert.deepStrictEqual(
        events.filter((event) => !event.includes("test.seen")),
        ["test.double", "test.there"].flatMap((task) => [
          `outer ${task}`,
          `inner ${task}`,
          `inner ${task} Success`,
          `outer ${task} Success`
        ])
      )
    }).pipe(Effect.provide([MemoryRunLog.layer(), Interceptor.layer(named("outer"), named("inner"))]))
  })

  it.effect("D.11 tenant, actor and run reach the stages, on an executor too, and a service of the handler's Layer stays", () => {
    class Greeting extends Context.Service<Greeting, string>()("ostinato/test/core/pipeline/Composed.test/Greeting") {}
    const Who = Task.make("test.who", { success: Schema.Array(Schema.NullOr(Schema.String)) })
    const live = Who.toLayer(() =>
      Effect.gen(function*() {
        const { actor, tenant } = yield* RunContext.RunContext
        return [tenant, actor, (yield* Attempt.Attempt).runId, yield* Greeting]
      })
    ).pipe(Layer.provide(Layer.succeed(Greeting, "hello")))
    const pipeline = Pipeline.make("test.who.all").pipe(
      Pipeline.stage("here", Who, { input: () => ({}) }),
      Pipeline.stage("there", Who, { executor: apart, input: () => ({}) })
    )
    return Effect.gen(function*() {
      const value = yield* run(pipeline, {}).pipe(RunContext.within({ tenant: "acme", actor: "ada" }))
      const { attempts, record } = yield* newest
      assert.deepStrictEqual(value, {
        here: ["acme", "ada", record.id, "hello"],
        there: ["acme", "ada", record.id, "hello"]
      })
      assert.strictEqual(attempts.length, 3)
    }).pipe(Effect.provide([live, MemoryRunLog.layer()]))
  })

  it.effect("D.4 a composed task gives each member the whole of its own grace", () => {
    const events: Array<string> = []
    const closing = (name: string, seconds: number) =>
      Task.fn(`test.${name}`, { grace: `${seconds} seconds` }, () =>
        Effect.gen(function*() {
          yield* Effect.addFinalizer(() =>
            Effect.andThen(Effect.sleep(`${seconds - 0.5} seconds`), Effect.sync(() => void events.push(name)))
          )
          return yield* Effect.never
        }))
    const pipeline = Pipeline.make("test.graces").pipe(
      Pipeline.stage("short", closing("short", 1), { input: () => ({}) }),
      Pipeline.stage("long", Task.zip(closing("a", 2), closing("b", 20)), { after: [], input: () => [{}, {}] as const })
    )
    return Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(run(pipeline, {}))
      yield* TestClock.adjust("1 second")
      const end = yield* Effect.forkChild(Fiber.interrupt(fiber))
      yield* TestClock.adjust("20 seconds")
      yield* Fiber.await(end)
      assert.deepStrictEqual(events, ["short", "a", "b"])
    }).pipe(Effect.provide(MemoryRunLog.layer()))
  })

  it.effect("what an executor refuses is ExecutorFailed, what the work fails with keeps its type", () => {
    class Full extends Schema.TaggedError<Full>()("Full", {}) {
      override get message() {
        return "no place is free"
      }
    }
    const full: Executor.Executor = { name: "small", run: () => Effect.fail(new Full()) }
    const at = (executor: Executor.Executor) =>
      Pipeline.make("test.refused").pipe(
        Pipeline.stage("busy", Task.fn("test.busy", { error: Busy }, () => Effect.fail(new Busy())), {
          executor,
          input: () => ({})
        })
      )
    return Effect.gen(function*() {
      const refused = yield* Effect.flip(Task.run(at(full), {}))
      assert.instanceOf(refused, Pipeline.PipelineError)
      assert.instanceOf(refused.cause, Executor.ExecutorFailed)
      assert.strictEqual(refused.cause.message, "small did not run the work to its end: Full: no place is free")
      const failed = yield* Effect.flip(Task.run(at(apart), {}))
      assert.instanceOf(failed, Pipeline.PipelineError)
      assert.deepStrictEqual(failed.cause, new Busy())
    })
  })

  it.effect("D.4 the finalizers of a stage have ended before the next one starts; one that hangs is held no longer than its grace", () => {
    const events: Array<string> = []
    const say = (event: string) => Effect.sync(() => void events.push(event))
    const clean = Task.fn(
      "test.clean",
      {},
      () =>
        Effect.andThen(Effect.addFinalizer(() => Effect.andThen(Effect.sleep("1 second"), say("closed"))), say("ran"))
    )
    const stuck = Task.fn(
      "test.stuck",
      { grace: "2 seconds" },
      () => Effect.andThen(Effect.addFinalizer(() => Effect.never), Effect.never)
    )
    const pipeline = Pipeline.make("test.scopes").pipe(
      Pipeline.stage("clean", clean, { input: () => ({}) }),
      Pipeline.stage("next", Task.fn("test.next", {}, () => say("next")), { input: () => ({}) }),
      Pipeline.stage("stuck", stuck, { timeout: "1 second", input: () => ({}) })
    )
    return Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(Effect.flip(run(pipeline, {})))
      yield* TestClock.adjust("4 seconds")
      const error = yield* Fiber.join(fiber)
      assert.instanceOf(error, Pipeline.PipelineError)
      assert.instanceOf(error.cause, TaskError.TaskTimeout)
      assert.deepStrictEqual(events, ["ran", "closed", "next"])
    }).pipe(Effect.provide(MemoryRunLog.layer()))
  })
})

/** Runs work in a fiber that knows nothing of whoever asks for it. */
const apart: Executor.Executor = {
  name: "apart",
  run: (work) =>
    Effect.callback((resume) => {
      const fiber = Effect.runFork(work)
      fiber.addObserver(resume)
      return Fiber.interrupt(fiber)
    })
}

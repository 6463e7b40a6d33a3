import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import type * as Tracer from "effect/Tracer"
import { Attempt, MemoryRunLog, Pipeline, RunLog, Task } from "ostinato"
import { type Line, logging, newest, run, traced } from "./observed.ts"

const input = () => ({})
const lasting = (name: string, seconds: number) => Task.fn(`test.${name}`, {}, () => Effect.sleep(`${seconds} seconds`))

const Two = Pipeline.make("test.two").pipe(
  Pipeline.stage("short", lasting("short", 1), { input }),
  Pipeline.stage("long", lasting("long", 2), { input })
)

const finished = <A, E, R>(work: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(work)
    yield* TestClock.adjust("1 minute")
    return yield* Fiber.join(fiber)
  })

describe("Pipeline record", () => {
  it.effect("S0.24 the success of all stages is logged once, with the duration of each", () => {
    const lines: Array<Line> = []
    return Effect.gen(function*() {
      yield* finished(run(Two, {}))
      const completed = lines.filter(({ message }) => message === "pipeline.completed")
      assert.strictEqual(completed.length, 1)
      const annotations = completed[0]?.annotations ?? {}
      assert.deepStrictEqual(
        { pipeline: annotations["pipeline"], ok: annotations["ok"], stages: annotations["stages"] },
        { pipeline: "test.two", ok: 2, stages: { short: 1000, long: 2000 } }
      )
      assert.isString(annotations["run_id"])
    }).pipe(logging(lines), Effect.provide(MemoryRunLog.layer()))
  })

  it.effect("S0.24 the record of the run keeps when each stage began, how long it took, and the lines of the pipeline", () =>
    Effect.gen(function*() {
      yield* finished(run(Two, {}))
      const { attempts, logs, stages } = yield* newest
      assert.deepStrictEqual(stages, [
        { stage: "test.two/short", task: "test.short", status: "completed", skipped: null, startMs: 0, runMs: 1000 },
        { stage: "test.two/long", task: "test.long", status: "completed", skipped: null, startMs: 1000, runMs: 2000 }
      ])
      assert.deepStrictEqual(attempts.map(({ task, runMs }) => [task, runMs]), [
        ["test.short", 1000],
        ["test.long", 2000],
        ["test.two", 3000]
      ])
      assert.include(logs.map(({ message }) => message), "pipeline.completed")
    }).pipe(Effect.provide(MemoryRunLog.layer())))

  it.effect("S3.7 the log tells of each stage in order", () => {
    const lines: Array<Line> = []
    return Effect.gen(function*() {
      yield* finished(run(Two, {}))
      assert.deepStrictEqual(
        lines.filter(({ message }) => message.startsWith("stage ")).map(({ annotations, message }) => [
          annotations["stage"],
          message
        ]),
        [
          ["short", "stage short started"],
          ["short", "stage short completed"],
          ["long", "stage long started"],
          ["long", "stage long completed"]
        ]
      )
    }).pipe(logging(lines), Effect.provide(MemoryRunLog.layer()))
  })

  it.effect("S3.41 every stage has a span below that of the run, which its handler can annotate", () => {
    const spans: Array<Tracer.NativeSpan> = []
    const file = Task.fn(
      "test.file",
      { payload: { id: Schema.Int } },
      ({ id }) => Effect.annotateCurrentSpan("file.id", id)
    )
    const pipeline = Pipeline.make("test.files").pipe(
      Pipeline.stage("raw", file, { input: () => ({ id: 1 }) }),
      Pipeline.stage("normalised", file, { input: () => ({ id: 2 }) })
    )
    return Effect.gen(function*() {
      yield* run(pipeline, {})
      const stages = spans.filter(({ name }) => name.startsWith("stage "))
      assert.deepStrictEqual(
        stages.map(({ attributes, name, parent }) => [
          name,
          attributes.get("ostinato.pipeline"),
          attributes.get("ostinato.task"),
          attributes.get("file.id"),
          parent._tag === "Some" && parent.value._tag === "Span" ? parent.value.name : ""
        ]),
        [
          ["stage raw", "test.files", "test.file", 1, "run test.files"],
          ["stage normalised", "test.files", "test.file", 2, "run test.files"]
        ]
      )
    }).pipe(traced(spans), Effect.provide(MemoryRunLog.layer()))
  })

  it.effect("a cancelled pipeline is recorded with the stage that was interrupted and those that did not start", () =>
    Effect.gen(function*() {
      const begun = yield* Latch.make()
      const endless = Task.fn("test.endless", {}, () => Effect.andThen(begun.open, Effect.never))
      const pipeline = Pipeline.make("test.cancelled").pipe(
        Pipeline.stage("a", endless, { input }),
        Pipeline.stage("b", lasting("b", 1), { input })
      )
      const fiber = yield* Effect.forkChild(Effect.flip(run(pipeline, {})))
      yield* begun.await
      const log = yield* RunLog.RunLog
      const [open] = yield* log.list({ limit: 1 })
      yield* log.cancel(open!.id, { actor: "ada", reason: null })
      assert.strictEqual((yield* Fiber.join(fiber))._tag, "TaskInterrupted")
      const { record, stages } = yield* newest
      assert.strictEqual(record.status, "cancelled")
      assert.deepStrictEqual(stages.map(({ skipped, status }) => [status, skipped?.by ?? null]), [
        ["interrupted", null],
        ["skipped", "stop"]
      ])
    }).pipe(Effect.provide(MemoryRunLog.layer())))

  it.effect("items that stages of the same task report add up", () => {
    const refresh = Task.fn(
      "test.refresh",
      { payload: { failed: Schema.Int } },
      ({ failed }) => Attempt.report({ succeeded: 10, failed, summary: `10 of ${10 + failed}` })
    )
    const pipeline = Pipeline.make("test.items").pipe(
      Pipeline.stage("one", refresh, { input: () => ({ failed: 1 }) }),
      Pipeline.stage("two", refresh, { after: [], input: () => ({ failed: 2 }) })
    )
    return Effect.gen(function*() {
      yield* run(pipeline, {})
      const { record: { items, status } } = yield* newest
      assert.strictEqual(status, "partial")
      assert.deepStrictEqual([items?.succeeded, items?.failed], [20, 3])
    }).pipe(Effect.provide(MemoryRunLog.layer()))
  })

  it.effect("the error of a pipeline survives being stored", () => {
    class Limited extends Schema.TaggedError<Limited>()("Limited", { resetAt: Schema.DateTimeUtc }) {}
    const limited = Task.fn(
      "test.limited",
      { error: Limited },
      () =>
        Effect.flatMap(
          Schema.decodeEffect(Schema.DateTimeUtcFromString)("2026-01-02T03:04:05.000Z").pipe(Effect.orDie),
          (
            resetAt
          ) => new Limited({ resetAt })
        )
    )
    const stored = Effect.fnUntraced(
      function*<E extends Task.Storable, S extends Task.Storable, P extends Task.Storable>(
        task: Task.Task<string, P, S, E, never>,
        payload: P["Type"]
      ) {
        const codec = Schema.fromJsonString(Schema.toCodecJson(task.error))
        const error = yield* Effect.flip(Task.run(task, payload))
        const back = yield* Effect.flatMap(Schema.encodeUnknownEffect(codec)(error), Schema.decodeEffect(codec))
        assert.deepStrictEqual(back, error)
        return String(back)
      }
    )
    const fast = Pipeline.make("test.fast").pipe(Pipeline.stage("one", limited, { input }))
    const all = Pipeline.make("test.all", { mode: "collect" }).pipe(Pipeline.stage("one", limited, { input }))
    return Effect.gen(function*() {
      assert.include(yield* stored(fast, {}), "stage one of pipeline test.fast failed")
      assert.include(yield* stored(all, {}), "stage one of pipeline test.all failed")
    })
  })
})

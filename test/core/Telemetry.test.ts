import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as References from "effect/References"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import * as Tracer from "effect/Tracer"
import { Dispatch, MemoryRunLog, RunContext, RunLog, Task } from "ostinato"

class Busy extends Schema.TaggedError<Busy>()("Busy", { seat: Schema.Int }) {
  override get message() {
    return `seat ${this.seat} is taken`
  }
}

const taking = (name: string, body: Effect.Effect<void, Busy>) =>
  Task.fn(name, { error: Busy }, () => Effect.andThen(Effect.sleep("3 seconds"), body))

/** A log that lets a run begin only after two seconds, as a busy database would. */
const slowLog = Layer.effect(
  RunLog.RunLog,
  Effect.map(
    RunLog.RunLog,
    (log) => RunLog.RunLog.of({ ...log, begin: (run) => Effect.delay(log.begin(run), "2 seconds") })
  )
).pipe(Layer.provide(MemoryRunLog.layer()))

const lines = Effect.sync(() => {
  const kept: Array<{ readonly level: string; readonly message: string; readonly fields: Record<string, unknown> }> = []
  const logger = Logger.make(({ fiber, logLevel, message }) =>
    void kept.push({
      level: logLevel,
      message: String(message),
      fields: { ...fiber.getRef(References.CurrentLogAnnotations) }
    })
  )
  return { kept, layer: Logger.layer([logger]) }
})

const histogram = (name: string, task: string) =>
  Effect.map(Metric.snapshot, (all) => {
    const found = all.find(({ attributes, id }) => id === name && attributes?.["task"] === task)
    const state = found?.type === "Histogram" ? found.state : undefined
    return { count: state?.count, sum: state?.sum, ...found?.attributes }
  })

const outcomes = [
  { how: "completed", body: Effect.void, level: "Info", message: "run completed" },
  {
    how: "failed",
    body: Effect.fail(new Busy({ seat: 7 })),
    level: "Error",
    message: "run failed: Busy: seat 7 is taken"
  }
] as const

describe("what a run tells", () => {
  for (const { body, how, level, message } of outcomes) {
    it.effect(`S0.17 S0.47 S0.48 S0.49 S1.4 S1.27 S2.66 queue time and run time in its log line and histograms: ${how}`, () =>
      Effect.gen(function*() {
        const { kept, layer } = yield* lines
        const task = taking(`telemetry.${how}`, body)
        const fiber = yield* Effect.forkChild(Effect.provide(Dispatch.here(task, {}, { kind: "code" }), layer))
        yield* TestClock.adjust("2 seconds")
        yield* TestClock.adjust("3 seconds")
        yield* Fiber.join(fiber)
        const line = kept.find((line) => line.message === message)
        assert.strictEqual(line?.level, level)
        assert.deepInclude(line?.fields, { task: task.name, queue_ms: 2000, run_ms: 3000, duration_ms: 3000 })
        const labels = { task: task.name, executor: "here", outcome: how }
        assert.deepStrictEqual(yield* histogram("ostinato_task_queue_seconds", task.name), {
          count: 1,
          sum: 2,
          ...labels
        })
        assert.deepStrictEqual(yield* histogram("ostinato_task_run_seconds", task.name), {
          count: 1,
          sum: 3,
          ...labels
        })
      }).pipe(Effect.provide(slowLog)))
  }

  it.effect("S0.48 its span lasts from the request to the end: queue time and run time", () =>
    Effect.gen(function*() {
      const spans: Array<Tracer.Span> = []
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          spans.push(span)
          return span
        }
      })
      const task = taking("telemetry.span", Effect.void)
      const fiber = yield* Effect.forkChild(
        Effect.withTracer(Dispatch.here(task, {}, { kind: "code" }), tracer)
      )
      yield* TestClock.adjust("2 seconds")
      yield* TestClock.adjust("3 seconds")
      const { id } = yield* Fiber.join(fiber)
      const span = spans.find((span) => span.name === "run telemetry.span")
      const { status } = span ?? assert.fail("no span")
      assert.strictEqual(status._tag === "Ended" ? status.endTime - status.startTime : 0n, 5_000_000_000n)
      const log = yield* RunLog.RunLog
      assert.strictEqual((yield* log.get(id))?.traceId, span?.traceId)
    }).pipe(Effect.provide(slowLog)))

  it.effect("D.11 tenant, actor, run and attempt are on every line that the handler logs", () =>
    Effect.gen(function*() {
      const { kept, layer } = yield* lines
      const task = Task.fn("telemetry.lines", {}, () => Effect.logInfo("at work"))
      const run = yield* RunContext.within({ tenant: "acme", actor: "ada" })(
        Effect.provide(Dispatch.here(task, {}, { kind: "code" }), layer)
      )
      const line = kept.find((line) => line.message === "at work")
      assert.deepInclude(line?.fields, { tenant: "acme", actor: "ada", task: task.name, run_id: run.id, attempt: 1 })
    }).pipe(Effect.provide(MemoryRunLog.layer())))
})

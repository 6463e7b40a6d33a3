/** What the tests of pipelines look at: log lines with their annotations, spans, and the record of the newest run. */
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import * as Tracer from "effect/Tracer"
import { Dispatch, RunLog, type Task } from "ostinato"

export interface Line {
  readonly level: string
  readonly message: string
  readonly annotations: Readonly<Record<string, unknown>>
}

/** Keeps every line, also those for debugging. */
export const logging = (lines: Array<Line>) => <A, E, R>(program: Effect.Effect<A, E, R>) =>
  program.pipe(
    Effect.provide(Logger.layer([Logger.make(({ fiber, logLevel, message }) => {
      lines.push({
        level: logLevel,
        message: String(message),
        annotations: fiber.getRef(References.CurrentLogAnnotations)
      })
    })])),
    Effect.provideService(References.MinimumLogLevel, "Debug")
  )

/** Keeps every span. */
export const traced = (spans: Array<Tracer.NativeSpan>) =>
  Effect.provideService(
    Tracer.Tracer,
    Tracer.make({
      span: (options) => {
        const span = new Tracer.NativeSpan(options)
        spans.push(span)
        return span
      }
    })
  )

/** Runs a task as a recorded run, to its end. */
export const run = <
  Name extends string,
  P extends Task.Storable,
  S extends Task.Storable,
  E extends Task.Storable,
  R
>(task: Task.Task<Name, P, S, E, R>, payload: P["Type"]) =>
  Effect.flatMap(Dispatch.here(task, payload, { kind: "code" }), (run) => run.await)

/** The newest run with what is kept of it. */
export const newest = Effect.gen(function*() {
  const log = yield* RunLog.RunLog
  const [record] = yield* log.list({ limit: 1 })
  const details = record === undefined ? null : yield* log.details(record.id)
  return {
    record: record!,
    stages: details?.stages ?? [],
    logs: details?.logs ?? [],
    attempts: details?.attempts ?? []
  }
})

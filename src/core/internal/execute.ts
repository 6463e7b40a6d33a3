/**
 * The boundary of a run: begins it in the log, makes its attempts, ends it in the log, counts it and logs it.
 *
 * Whatever happens to the handler (failure, throw, rejection, timeout, interruption) is an `Exit` here; nothing of it
 * escapes. The outcome is recorded after the finalizers of the last attempt have ended.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { RunLog, type RunLogUnavailable } from "../RunLog.ts"
import { Attempt, type Handler, type Storable, type Task } from "../Task.ts"
import { type Failure, fromCause, PayloadInvalid, type TaskError, TaskTimeout } from "../TaskError.ts"
import * as TaskMetrics from "../TaskMetrics.ts"
import { NextRunId, type RunId, type Trigger } from "../TaskRun.ts"

// a database may be away for a moment just when a run ends; after that its lease runs out and it shows as abandoned
const keepTrying = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("2 seconds")]).pipe(
  Schedule.upTo({ duration: "20 seconds" })
)

export const execute = Effect.fnUntraced(function*<
  Name extends string,
  P extends Storable,
  S extends Storable,
  E extends Storable
>(
  task: Task<Name, P, S, E>,
  payload: P["Type"],
  trigger: Trigger,
  executor: string
): Effect.fn.Return<
  { readonly id: RunId; readonly exit: Exit.Exit<S["Type"], E["Type"] | TaskError> },
  RunLogUnavailable,
  RunLog | Handler<Name>
> {
  const log = yield* RunLog
  const handle = yield* task.handler
  const id = yield* yield* NextRunId
  const span = yield* Effect.option(Effect.currentSpan)
  const requestedAt = yield* Clock.monotonicTimeNanos
  const encoded = yield* encode(task.payload, payload)
  const attempts = yield* Ref.make(0)

  const attempt = Effect.gen(function*() {
    const number = yield* Ref.updateAndGet(attempts, (n) => n + 1)
    const body = Effect.scoped(handle(payload)).pipe(
      Effect.provideService(Attempt, { runId: id, task: task.name, number }),
      Effect.annotateLogs({ attempt: number })
    )
    return yield* Duration.isFinite(task.timeout)
      ? Effect.timeoutOrElse(body, {
        duration: task.timeout,
        orElse: () => Effect.fail(new TaskTimeout({ task: task.name, timeoutMs: Duration.toMillis(task.timeout) }))
      })
      : body
  })
  const attempted: Effect.Effect<S["Type"], E["Type"] | TaskTimeout, Handler<Name>> = task.retry === undefined
    ? attempt
    : Effect.retry(attempt, { schedule: Schedule.passthrough(task.retry), while: (error) => !isTimeout(error) })

  const run = Effect.gen(function*() {
    if (Option.isNone(encoded.json)) {
      return yield* new PayloadInvalid({ task: task.name, detail: encoded.detail })
    }
    return yield* attempted
  })

  return yield* Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      yield* restore(log.begin({
        id,
        task: task.name,
        trigger,
        payload: Option.getOrNull(encoded.json),
        traceId: Option.getOrNull(Option.map(span, (span) => span.traceId))
      }))
      const startedAt = yield* Clock.monotonicTimeNanos
      const exit = yield* Effect.exit(restore(run))
      const endedAt = yield* Clock.monotonicTimeNanos
      const queueTime = Duration.nanos(startedAt - requestedAt)
      const runTime = Duration.nanos(endedAt - startedAt)
      const output = Exit.isSuccess(exit) ? yield* encode(task.success, exit.value) : undefined
      const failure = Exit.isFailure(exit) ? fromCause(exit.cause) : null
      const status = failure === null
        ? "completed"
        : failure.kind === "interruption"
        ? "interrupted"
        : "failed"
      const ended = {
        status,
        attempts: yield* Ref.get(attempts),
        queueMs: Duration.toMillis(queueTime),
        runMs: Duration.toMillis(runTime),
        output: output === undefined ? null : Option.getOrNull(output.json),
        failure
      } as const
      yield* record(log, id, ended)
      yield* TaskMetrics.record({ task: task.name, executor, outcome: status, queueTime, runTime })
      yield* report(exit, ended)
      return { id, exit }
    })
  ).pipe(
    Effect.annotateLogs({ run_id: id, task: task.name }),
    Effect.withSpan(`run ${task.name}`, { attributes: { "ostinato.run.id": id, "ostinato.task": task.name } })
  )
})

const isTimeout = (error: unknown): boolean => error instanceof TaskTimeout

const encode = (schema: Storable, value: unknown) =>
  Effect.match(Schema.encodeEffect(Schema.toCodecJson(schema))(value), {
    onSuccess: (json) => ({ json: Option.some(json ?? null), detail: "" }),
    onFailure: (error) => ({ json: Option.none<Schema.Json>(), detail: error.message })
  })

const record = (log: RunLog["Service"], id: RunId, end: Parameters<RunLog["Service"]["end"]>[1]) =>
  log.end(id, end).pipe(
    Effect.retry(keepTrying),
    Effect.flatMap((closed) =>
      closed ? Effect.void : Effect.logWarning("run had already been closed as abandoned: its lease ran out")
    ),
    Effect.catch((error) => Effect.logError("the end of a run could not be recorded", Cause.fail(error)))
  )

const report = (
  exit: Exit.Exit<unknown, unknown>,
  ended: { readonly queueMs: number; readonly runMs: number; readonly failure: Failure | null }
) => {
  const { failure, queueMs, runMs } = ended
  const fields = { duration_ms: runMs, queue_ms: queueMs, run_ms: runMs }
  const message = Exit.isSuccess(exit)
    ? Effect.logInfo("run completed")
    : failure?.kind === "interruption"
    ? Effect.logInfo("run interrupted")
    : Effect.logError(`run failed: ${failure?.tag}: ${failure?.message}`, exit.cause)
  return Effect.annotateLogs(message, fields)
}

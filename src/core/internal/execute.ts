/**
 * The boundary of a run: begins it in the log, makes its attempts, ends it in the log, counts it and logs it.
 *
 * Whatever happens to the handler (failure, throw, rejection, timeout, interruption, a result that cannot be stored) is
 * an `Exit` here; nothing of it escapes. The outcome is recorded after the finalizers of the last attempt have ended.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Ref from "effect/Ref"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as RetryPolicy from "../RetryPolicy.ts"
import { type RunEnd, RunLog, type RunLogUnavailable } from "../RunLog.ts"
import { Attempt, type Handler, type Storable, type Task } from "../Task.ts"
import { type Failure, fromCause, PayloadInvalid, ResultInvalid, type TaskError, TaskTimeout } from "../TaskError.ts"
import * as TaskMetrics from "../TaskMetrics.ts"
import { NextRunId, type RunId, type Trigger } from "../TaskRun.ts"

export const execute = <Name extends string, P extends Storable, S extends Storable, E extends Storable>(
  task: Task<Name, P, S, E>,
  payload: P["Type"],
  trigger: Trigger,
  executor: string
): Effect.Effect<Executed<S["Type"], E["Type"] | TaskError>, RunLogUnavailable, RunLog | Handler<Name>> =>
  Effect.flatMap(Effect.flatten(NextRunId), (id) =>
    boundary(id, task, payload, trigger, executor).pipe(
      Effect.annotateLogs({ run_id: id, task: task.name }),
      Effect.withSpan(`run ${task.name}`, { attributes: { "ostinato.run.id": id, "ostinato.task": task.name } })
    ))

interface Executed<A, E> {
  readonly id: RunId
  readonly exit: Exit.Exit<A, E>
}

const boundary = Effect.fnUntraced(function*<
  Name extends string,
  P extends Storable,
  S extends Storable,
  E extends Storable
>(id: RunId, task: Task<Name, P, S, E>, payload: P["Type"], trigger: Trigger, executor: string) {
  const log = yield* RunLog
  const span = yield* Effect.option(Effect.currentSpan)
  const requestedAt = yield* Clock.monotonicTimeNanos
  const attempts = yield* Ref.make(0)
  const encoded = yield* Effect.exit(
    Effect.mapError(encode(task.payload, payload), (detail) => new PayloadInvalid({ task: task.name, detail }))
  )

  const work = Effect.gen(function*() {
    yield* encoded
    const value = yield* attempted(task, id, payload, attempts)
    const output = yield* Effect.mapError(
      encode(task.success, value),
      (detail) => new ResultInvalid({ task: task.name, detail })
    )
    return { value, output }
  })

  return yield* Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      yield* restore(log.begin({
        id,
        task: task.name,
        trigger,
        payload: Exit.isSuccess(encoded) ? encoded.value : null,
        traceId: span._tag === "Some" ? span.value.traceId : null
      }))
      const startedAt = yield* Clock.monotonicTimeNanos
      const exit = yield* Effect.exit(restore(work))
      const endedAt = yield* Clock.monotonicTimeNanos
      const queueTime = Duration.nanos(startedAt - requestedAt)
      const runTime = Duration.nanos(endedAt - startedAt)
      const failure = Exit.isFailure(exit) ? yield* explain(exit.cause) : null
      const status = failure === null ? "completed" : failure.kind === "interruption" ? "interrupted" : "failed"
      const end = {
        status,
        attempts: yield* Ref.get(attempts),
        queueMs: Duration.toMillis(queueTime),
        runMs: Duration.toMillis(runTime),
        output: Exit.isSuccess(exit) ? exit.value.output : null,
        failure
      } as const
      yield* record(log, id, end)
      yield* TaskMetrics.record({ task: task.name, executor, outcome: status, queueTime, runTime })
      yield* report(end)
      return { id, exit: Exit.map(exit, ({ value }) => value) }
    })
  )
})

const attempted = <Name extends string, P extends Storable, S extends Storable, E extends Storable>(
  task: Task<Name, P, S, E>,
  runId: RunId,
  payload: P["Type"],
  attempts: Ref.Ref<number>
): Effect.Effect<S["Type"], E["Type"] | TaskTimeout, Handler<Name>> => {
  const attempt = Effect.gen(function*() {
    const handle = yield* task.handler
    const number = yield* Ref.updateAndGet(attempts, (n) => n + 1)
    const body = Effect.suspend(() => handle(payload)).pipe(
      Effect.scoped,
      Effect.provideService(Attempt, { runId, task: task.name, number }),
      Effect.annotateLogs({ attempt: number })
    )
    if (!Duration.isFinite(task.timeout)) return yield* body
    return yield* Effect.timeoutOrElse(body, {
      duration: task.timeout,
      orElse: () => Effect.fail(new TaskTimeout({ task: task.name, timeoutMs: Duration.toMillis(task.timeout) }))
    })
  })
  return task.retry === undefined
    ? attempt
    : Effect.retry(attempt, {
      schedule: Schedule.passthrough(task.retry),
      while: (error) => !(error instanceof TaskTimeout)
    })
}

const encode = (schema: Storable, value: unknown): Effect.Effect<Schema.Json, string> =>
  Effect.suspend(() => Schema.encodeEffect(Schema.toCodecJson(schema))(value)).pipe(
    Effect.map((json) => json ?? null),
    Effect.mapError((error) => error.message)
  )

// an error's own message may throw
const explain = (cause: Cause.Cause<unknown>): Effect.Effect<Failure> =>
  Effect.sync(() => fromCause(cause)).pipe(
    Effect.catchCause(() =>
      Effect.succeed<Failure>({
        kind: Cause.hasFails(cause) ? "failure" : "defect",
        tag: "Unreadable",
        message: "the failure could not be put into words: reading it failed as well",
        cause: ""
      })
    )
  )

// a database may be away for a moment just when a run ends; after that its lease runs out and it shows as abandoned
const record = (log: RunLog["Service"], id: RunId, end: RunEnd) =>
  log.end(id, end).pipe(
    Effect.retry(RetryPolicy.patient("20 seconds")),
    Effect.flatMap((closed) =>
      closed ? Effect.void : Effect.logWarning("run had already been closed as abandoned: its lease ran out")
    ),
    Effect.catchCause((cause) => Effect.logError("the end of a run could not be recorded", cause))
  )

const report = ({ failure, queueMs, runMs }: RunEnd) => {
  const message = failure === null
    ? Effect.logInfo("run completed")
    : failure.kind === "interruption"
    ? Effect.logInfo("run interrupted")
    : Effect.annotateLogs(Effect.logError(`run failed: ${failure.tag}: ${failure.message}`), { cause: failure.cause })
  return Effect.annotateLogs(message, { duration_ms: runMs, queue_ms: queueMs, run_ms: runMs })
}

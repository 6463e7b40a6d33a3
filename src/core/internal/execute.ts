/**
 * The boundary of a run: begins it in the log, makes its attempts, ends it in the log, counts it and logs it.
 *
 * Whatever happens to the handler (failure, throw, rejection, timeout, interruption, cancellation, a result that cannot
 * be stored) is an `Exit` here; nothing of it escapes. The outcome is recorded after the finalizers of the last attempt
 * have ended, or have used up their grace.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import type * as Tracer from "effect/Tracer"
import type { Items } from "../Attempt.ts"
import { Interceptors } from "../Interceptor.ts"
import * as RetryPolicy from "../RetryPolicy.ts"
import { RunContext } from "../RunContext.ts"
import { RunGate } from "../RunGate.ts"
import { type RunEnd, RunLog, type RunLogUnavailable } from "../RunLog.ts"
import type { Storable, Task } from "../Task.ts"
import {
  fromCause,
  PayloadInvalid,
  ResultInvalid,
  skipped,
  type TaskError,
  TaskInterrupted,
  TaskSkipped
} from "../TaskError.ts"
import * as TaskMetrics from "../TaskMetrics.ts"
import { type Cancellation, NextRunId, type RunId, type Trigger } from "../TaskRun.ts"
import { attempted, resolved } from "./attempt.ts"
import { bounded } from "./bounded.ts"
import { Journal, logged, make as makeJournal } from "./journal.ts"
import { CurrentTrigger } from "./trigger.ts"

/** A run that the log knows. It is to be run, or given up. */
export interface Accepted<A, E> {
  readonly id: RunId
  /** Needs nothing from whoever calls it, and is to be called once. */
  readonly run: Effect.Effect<Exit.Exit<A, E>>
  /** Ends the run where it has not begun; else does nothing. `by`: somebody had asked for it. */
  readonly giveUp: (error: TaskError, by?: Cancellation) => Effect.Effect<void>
}

/**
 * Begins a run in the log. Only the answer of the log can be interrupted, as `restore` allows, and then the run is ended:
 * a caller in the mask of that `restore` holds every run that was begun.
 */
export const accept = <Name extends string, P extends Storable, S extends Storable, E extends Storable, R>(
  task: Task<Name, P, S, E, R>,
  payload: P["Type"],
  trigger: Trigger,
  where: Where,
  restore: Restore
): Effect.Effect<Accepted<S["Type"], E["Type"] | TaskError>, RunLogUnavailable, RunLog | R> =>
  Effect.uninterruptible(accepting(task, payload, trigger, where, restore))

type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

interface Where {
  readonly executor: string
  /** `waiting` where the run may have to wait for its turn. */
  readonly status: "waiting" | "running"
}

const accepting = Effect.fnUntraced(function*<
  Name extends string,
  P extends Storable,
  S extends Storable,
  E extends Storable,
  R
>(
  task: Task<Name, P, S, E, R>,
  payload: P["Type"],
  trigger: Trigger,
  where: Where,
  restore: Restore
): Effect.fn.Return<Accepted<S["Type"], E["Type"] | TaskError>, RunLogUnavailable, RunLog | R> {
  const id = yield* yield* NextRunId
  const log = yield* RunLog
  const origin = yield* RunContext
  const interceptors = yield* Interceptors
  const gate = yield* RunGate
  const ready = yield* resolved(task)
  const requestedAt = yield* Clock.monotonicTimeNanos
  const span = yield* Effect.makeSpan(`run ${task.name}`, {
    attributes: { "ostinato.run.id": id, "ostinato.task": task.name, "ostinato.executor": where.executor }
  })
  const encoded = yield* Effect.exit(
    Effect.mapError(encode(task.payload, payload), (detail) => new PayloadInvalid({ task: task.name, detail }))
  )
  // an interruption may come when the log has the run already
  const { cancelled } = yield* restore(log.begin({
    id,
    task: task.name,
    trigger,
    origin,
    ...where,
    payload: Exit.isSuccess(encoded) ? encoded.value : null,
    traceId: span._tag === "Span" && span.sampled ? span.traceId : null
  })).pipe(Effect.onInterrupt(() => Effect.ignore(Effect.timeoutOption(log.end(id, unbegun), "5 seconds"))))
  let isBegun = false
  const journal = makeJournal()

  const work = Effect.gen(function*() {
    yield* encoded
    const value = yield* attempted(ready, id, payload)
    const output = yield* Effect.mapError(
      encode(task.success, value),
      (detail) => new ResultInvalid({ task: task.name, detail })
    )
    return { value, output }
  })

  let cancelledBy: Cancellation | undefined
  const cancellation = Effect.flatMap(cancelled, (by) => {
    cancelledBy = by
    return Effect.interrupt
  })

  const close = Effect.fnUntraced(function*(
    exit: Exit.Exit<{ readonly output: Schema.Json }, unknown>,
    times: { readonly startedAt: bigint; readonly endedAt: bigint }
  ) {
    const queueTime = Duration.nanos(times.startedAt - requestedAt)
    const runTime = Duration.nanos(times.endedAt - times.startedAt)
    const failure = Exit.isFailure(exit) ? fromCause(exit.cause) : null
    const items = journal.total()
    const status = statusOf(exit, items, cancelledBy)
    const end: RunEnd = {
      status,
      attempts: journal.begun(task.name),
      queueMs: Duration.toMillis(queueTime),
      runMs: Duration.toMillis(runTime),
      output: Exit.isSuccess(exit) ? exit.value.output : null,
      failure,
      items,
      details: journal.details()
    }
    yield* record(log, id, end)
    yield* TaskMetrics.record({ task: task.name, executor: where.executor, outcome: status, queueTime, runTime })
    yield* report(end, cancelledBy)
    yield* endSpan(span, exit)
  })

  const inContext = <A>(effect: Effect.Effect<A>) =>
    effect.pipe(
      Effect.annotateLogs({ run_id: id, task: task.name, ...said(origin) }),
      Effect.withParentSpan(span),
      Effect.provideService(Interceptors, interceptors),
      Effect.provideService(RunContext, origin),
      Effect.provideService(CurrentTrigger, trigger),
      // for this run alone, not for those that it starts
      Effect.provideService(RunGate, Effect.succeed(true))
    )

  return {
    id,
    giveUp: (error, by) =>
      inContext(
        Effect.uninterruptible(Effect.flatMap(Clock.monotonicTimeNanos, (now) => {
          if (isBegun) return Effect.void
          cancelledBy = by
          return close(Exit.fail(error), { startedAt: now, endedAt: now })
        }))
      ),
    run: inContext(Effect.uninterruptibleMask((restore) =>
      Effect.gen(function*() {
        // from here on the run ends itself, whatever becomes of it
        isBegun = true
        if (where.status === "waiting") yield* begun(log, id)
        // from its answer on nothing is waited for
        const may = yield* Effect.exit(restore(gate))
        if (Exit.isFailure(may) || !may.value) {
          const now = yield* Clock.monotonicTimeNanos
          const refused = Exit.isFailure(may)
            ? Exit.failCause(may.cause)
            : Exit.fail(new TaskSkipped({ task: task.name, reason: "its turn went to another process" }))
          yield* close(refused, { startedAt: now, endedAt: now })
          return outcome(task.name, refused, cancelledBy)
        }
        const startedAt = yield* Clock.monotonicTimeNanos
        const guarded = bounded(Effect.provideService(logged(work), Journal, journal), {
          name: `run ${id} of task ${task.name}`,
          grace: task.grace
        })
        // the cancellation first: a run that was cancelled while it waited does not begin
        const exit = yield* Effect.exit(restore(Effect.raceFirst(cancellation, guarded)))
        const endedAt = yield* Clock.monotonicTimeNanos
        yield* close(exit, { startedAt, endedAt })
        return outcome(task.name, Exit.map(exit, ({ value }) => value), cancelledBy)
      })
    ))
  }
})

const statusOf = (
  exit: Exit.Exit<unknown, unknown>,
  items: Items | null,
  cancelledBy: Cancellation | undefined
): RunEnd["status"] => {
  if (Exit.isSuccess(exit)) return (items?.failed ?? 0) > 0 ? "partial" : "completed"
  const givenUp = exit.cause.reasons.find(Cause.isFailReason)?.error
  if (skipped(exit.cause) !== undefined || givenUp instanceof TaskSkipped) return "skipped"
  if (!Cause.hasInterruptsOnly(exit.cause) && !(givenUp instanceof TaskInterrupted)) return "failed"
  return cancelledBy === undefined ? "interrupted" : "cancelled"
}

const unbegun: RunEnd = {
  status: "interrupted",
  attempts: 0,
  queueMs: 0,
  runMs: 0,
  output: null,
  failure: { kind: "interruption", tag: "Interrupted", message: "interrupted before it began", cause: "" },
  items: null,
  details: { attempts: [], logs: [] }
}

/** What the end of a run means to whoever waits for it: nobody is interrupted because a run was. */
const outcome = <A, E>(
  task: string,
  exit: Exit.Exit<A, E>,
  cancelledBy: Cancellation | undefined
): Exit.Exit<A, E | TaskError> => {
  if (Exit.isSuccess(exit)) return exit
  const skip = skipped(exit.cause)
  if (skip !== undefined) return Exit.fail(skip)
  return Cause.hasInterruptsOnly(exit.cause)
    ? Exit.fail(new TaskInterrupted({ task, reason: cancelledBy === undefined ? null : reasonOf(cancelledBy) }))
    : exit
}

const reasonOf = ({ actor, reason }: Cancellation): string =>
  `cancelled${actor === null ? "" : ` by ${actor}`}${reason === null ? "" : `: ${reason}`}`

const said = ({ actor, tenant }: typeof RunContext.Service) => ({
  ...(tenant === null ? {} : { tenant }),
  ...(actor === null ? {} : { actor })
})

const endSpan = (span: Tracer.Span, exit: Exit.Exit<unknown, unknown>) =>
  Effect.map(Clock.currentTimeNanos, (now) => span.end(now, exit))

const encode = (schema: Storable, value: unknown): Effect.Effect<Schema.Json, string> =>
  Effect.suspend(() => Schema.encodeEffect(Schema.toCodecJson(schema))(value)).pipe(
    Effect.map((json) => json ?? null),
    Effect.mapError((error) => error.message)
  )

const begun = (log: RunLog["Service"], id: RunId) =>
  Effect.catch(log.started(id), (error) => Effect.logWarning(`the run shows as waiting: ${error.message}`))

// a database may be away for a moment just when a run ends; after that its lease runs out and it shows as abandoned
const record = (log: RunLog["Service"], id: RunId, end: RunEnd) =>
  log.end(id, end).pipe(
    Effect.retry(RetryPolicy.patient("20 seconds")),
    Effect.flatMap((closed) =>
      closed ? Effect.void : Effect.logWarning("run had already been closed as abandoned: its lease ran out")
    ),
    Effect.catchCause((cause) => Effect.logError("the end of a run could not be recorded", cause))
  )

const report = ({ failure, items, queueMs, runMs, status }: RunEnd, cancelledBy: Cancellation | undefined) => {
  const message = failure === null
    ? Effect.logInfo(items === null ? `run ${status}` : `run ${status}: ${items.summary}`)
    : status === "skipped"
    ? Effect.logInfo(`run skipped: ${failure.message}`)
    : status === "cancelled" && cancelledBy !== undefined
    ? Effect.logInfo(`run ${reasonOf(cancelledBy)}`)
    : failure.kind === "interruption"
    ? Effect.logInfo("run interrupted")
    : Effect.annotateLogs(Effect.logError(`run failed: ${failure.tag}: ${failure.message}`), { cause: failure.cause })
  return Effect.annotateLogs(message, { duration_ms: runMs, queue_ms: queueMs, run_ms: runMs })
}

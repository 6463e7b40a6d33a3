/**
 * Tasks for code without Effect: Promises in, Promises out.
 *
 * A client owns the services that its Layer builds, from its first call to `close`. A Promise is kept with the task's
 * value, or broken with the very error that the task declared or one of `TaskError`: classes with a `_tag` and typed
 * fields, to be told apart by `instanceof`. An `AbortSignal` cancels the run, which then ends as `cancelled` after its
 * finalizers. Runs in flight when the client closes may go on for its drain; then they are interrupted, and their
 * Promises broken with `TaskInterrupted`.
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Drain from "./Drain.ts"
import { accept } from "./internal/execute.ts"
import { type Origin, within } from "./RunContext.ts"
import { type CancelAnswer, RunLog } from "./RunLog.ts"
import type { Storable, Task } from "./Task.ts"
import { type TaskError, TaskInterrupted } from "./TaskError.ts"
import type { Cancellation, RunId, TaskRun, Trigger } from "./TaskRun.ts"

/**
 * What may be said about one invocation.
 *
 * @category models
 */
export interface CallOptions extends Partial<Origin> {
  /** Cancels the run when it is aborted. */
  readonly signal?: AbortSignal | undefined
  /** What started it. Defaults to `{ kind: "code" }`. */
  readonly trigger?: Trigger | undefined
}

/**
 * A run that was begun.
 *
 * @category models
 */
export interface Started<A> {
  readonly id: RunId
  /** The typed value when the run ends. Each call gives a Promise of its own. */
  readonly result: () => Promise<A>
}

/**
 * Tasks as Promises. `R` are the services that its Layer gives to their handlers.
 *
 * @category models
 */
export interface TaskClient<R> {
  /** Runs a task to its end. */
  readonly run: <Name extends string, P extends Storable, S extends Storable, E extends Storable, Requires extends R>(
    task: Task<Name, P, S, E, Requires>,
    payload: P["Type"],
    options?: CallOptions
  ) => Promise<S["Type"]>
  /** Begins a run and answers at once. */
  readonly start: <Name extends string, P extends Storable, S extends Storable, E extends Storable, Requires extends R>(
    task: Task<Name, P, S, E, Requires>,
    payload: P["Type"],
    options?: CallOptions
  ) => Promise<Started<S["Type"]>>
  /** The record of a run; null when there is none. */
  readonly status: (id: string) => Promise<TaskRun | null>
  /** Asks a run that has not ended to stop, whoever started it. */
  readonly cancel: (id: string, by?: Partial<Cancellation>) => Promise<CancelAnswer>
  /** Takes no more, waits for runs in flight, and closes the services. */
  readonly close: () => Promise<void>
}

/**
 * Makes a client of everything that a Layer provides: handlers and a log of runs.
 *
 * @category constructors
 * @example
 * ```ts
 * import { Effect, Layer, Schema } from "effect"
 * import { MemoryRunLog, Task, TaskClient } from "ostinato"
 *
 * const Greet = Task.make("docs.greet", { payload: { name: Schema.String }, success: Schema.String })
 * const GreetLive = Greet.toLayer(({ name }) => Effect.succeed(`Hello ${name}`))
 *
 * const client = TaskClient.make(Layer.merge(GreetLive, MemoryRunLog.layer()))
 * const greeting = await client.run(Greet, { name: "Ada" })
 * await client.close()
 *
 * greeting // => "Hello Ada"
 * ```
 */
export const make = <R, E>(layer: Layer.Layer<R | RunLog, E>, options?: {
  /** How long `close` waits for runs in flight before it interrupts them. Defaults to `25 seconds`. */
  readonly drain?: Duration.Input | undefined
}): TaskClient<R> => {
  const runtime = ManagedRuntime.make(
    Layer.provideMerge(Layer.effect(Flight, Drain.make({ drain: options?.drain ?? "25 seconds" })), layer)
  )

  const begin = <Name extends string, P extends Storable, S extends Storable, E extends Storable, Requires extends R>(
    task: Task<Name, P, S, E, Requires>,
    payload: P["Type"],
    { signal, trigger = { kind: "code" }, ...origin }: CallOptions
  ) =>
    Effect.gen(function*() {
      const log = yield* RunLog
      const flight = yield* Flight
      const ended = yield* Deferred.make<S["Type"], E["Type"] | TaskError>()
      const where = { executor: "here", status: "running" } as const
      const { giveUp, id, run } = yield* accept(task, payload, trigger, where, Effect.interruptible)
      const closed = new TaskInterrupted({ task: task.name, reason: "the client was closed" })
      const work = Effect.flatMap(run, (exit) => Deferred.done(ended, exit)).pipe(
        // what follows an interrupted run is not reached any more, and somebody waits for its end
        Effect.onInterrupt(() => Effect.andThen(giveUp(closed), Deferred.fail(ended, closed))),
        Effect.asVoid
      )
      if (!(yield* flight.fork(`run ${id}`, work))) {
        yield* giveUp(closed)
        return yield* closed
      }
      if (signal !== undefined) {
        yield* flight.fork(
          `signal of run ${id}`,
          Effect.raceFirst(Effect.ignore(Deferred.await(ended)), aborted(log, id, signal))
        )
      }
      return { id, ended: Deferred.await(ended) }
    }).pipe(within(origin))

  return {
    run: (task, payload, options = {}) =>
      runtime.runPromise(begin(task, payload, options)).then(({ ended }) => told(ended)),
    start: (task, payload, options = {}) =>
      runtime.runPromise(
        Effect.map(begin(task, payload, options), ({ ended, id }) => ({ id, result: () => told(ended) }))
      ),
    status: (id) => runtime.runPromise(Effect.flatMap(RunLog, (log) => log.get(id))),
    cancel: (id, by) =>
      runtime.runPromise(
        Effect.flatMap(RunLog, (log) => log.cancel(id, { actor: by?.actor ?? null, reason: by?.reason ?? null }))
      ),
    close: () => runtime.dispose()
  }
}

/** The runs that this client has begun. */
class Flight extends Context.Service<Flight, Drain.Drain>()("ostinato/core/TaskClient/Flight") {}

// outside of the runtime, which would not let anybody wait for what ends while it closes
const told = <A, E>(ended: Effect.Effect<A, E>): Promise<A> => Effect.runPromise(ended)

const aborted = (log: RunLog["Service"], id: RunId, signal: AbortSignal) =>
  Effect.callback<void>((resume) => {
    const abort = () => resume(Effect.void)
    if (signal.aborted) return abort()
    signal.addEventListener("abort", abort, { once: true })
    return Effect.sync(() => signal.removeEventListener("abort", abort))
  }).pipe(
    Effect.andThen(log.cancel(id, { actor: null, reason: "its caller aborted it" })),
    Effect.catch((error) => Effect.logWarning(error.message)),
    Effect.asVoid
  )

/**
 * How an invocation of a task becomes a run. Every trigger takes a Dispatch, so history, tracing and metrics are the
 * same whatever started the work and wherever it runs.
 */
import * as Effect from "effect/Effect"
import { accept } from "./internal/execute.ts"
import * as pooled from "./internal/pool/dispatch.ts"
import type { PoolClosed, PoolFull } from "./PoolError.ts"
import * as RunGate from "./RunGate.ts"
import type { RunLog, RunLogUnavailable } from "./RunLog.ts"
import type { Any, Handler, Storable, Task } from "./Task.ts"
import { type TaskError, TaskInterrupted } from "./TaskError.ts"
import type { PoolPriority, PoolStatus, TaskPool } from "./TaskPool.ts"
import type { RunId, Trigger } from "./TaskRun.ts"

/**
 * A run that a Dispatch has accepted.
 *
 * @category models
 */
export interface RunRef<out A, out E> {
  readonly id: RunId
  /** The typed result, when the run ends. */
  readonly await: Effect.Effect<A, E>
}

/**
 * Turns an invocation into a run. Succeeds when the run is accepted, whatever comes of it later; fails when it could
 * not be accepted, and then nothing runs.
 *
 * @category models
 */
export interface Dispatch<T extends Any, out E, out R> {
  (task: T, payload: T["payload"]["Type"], trigger: Trigger): Effect.Effect<
    RunRef<T["success"]["Type"], T["error"]["Type"] | TaskError>,
    E,
    R
  >
}

/**
 * Runs the task in the calling fiber, recorded in the `RunLog`, and answers when it has ended. Interrupting the caller
 * interrupts the run, which is recorded as interrupted.
 *
 * At most one attempt runs at a time; a crash of the process loses the run, which the log then shows as abandoned.
 *
 * @category constructors
 * @example
 * ```ts
 * import { Effect, Layer, Schema } from "effect"
 * import { Dispatch, MemoryRunLog, Task } from "ostinato"
 *
 * const Double = Task.make("docs.double", { payload: { n: Schema.Number }, success: Schema.Number })
 * const Live = Layer.merge(Double.toLayer(({ n }) => Effect.succeed(n * 2)), MemoryRunLog.layer())
 *
 * const program = Effect.flatMap(Dispatch.here(Double, { n: 21 }, { kind: "code" }), (run) => run.await)
 * await Effect.runPromise(Effect.provide(program, Live)) // => 42
 * ```
 */
export const here = RunGate.asking(
  <Name extends string, P extends Storable, S extends Storable, E extends Storable, R>(
    task: Task<Name, P, S, E, R>,
    payload: P["Type"],
    trigger: Trigger
  ): Effect.Effect<RunRef<S["Type"], E["Type"] | TaskError>, RunLogUnavailable, RunLog | R> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function*() {
        const where = { executor: "here", status: "running" } as const
        const { giveUp, id, run } = yield* accept(task, payload, trigger, where, restore)
        const interrupted = new TaskInterrupted({ task: task.name, reason: null })
        return { id, await: yield* Effect.onInterrupt(restore(run), () => giveUp(interrupted)) }
      })
    )
)

/**
 * A run in a pool: it can also be asked where it is, and to stop.
 *
 * @category models
 */
export interface PoolRun<out A, out E> extends RunRef<A, E> {
  /** Cancels the run and waits for its end. A run that waits never begins. `false`: it had ended. */
  readonly cancel: Effect.Effect<boolean, RunLogUnavailable>
  readonly status: Effect.Effect<PoolStatus>
}

/**
 * Runs the task in a pool, recorded in the `RunLog`, and answers when the pool has accepted it. Queue time counts from the
 * request. A run that never begins (refused, dropped, cancelled, cut off by a shutdown) ends in the log too.
 *
 * An attempt of a task without a timeout has that of the pool. A crash of the process loses waiting and running ones,
 * which the log then shows as abandoned.
 *
 * @category constructors
 * @example
 * ```ts
 * import { Effect, Layer, Schema } from "effect"
 * import { Dispatch, MemoryRunLog, Task, TaskPool } from "ostinato"
 *
 * const Double = Task.make("docs.double", { payload: { n: Schema.Number }, success: Schema.Number })
 * const Live = Layer.merge(Double.toLayer(({ n }) => Effect.succeed(n * 2)), MemoryRunLog.layer())
 *
 * const program = Effect.gen(function*() {
 *   const pool = yield* TaskPool.make({ name: "docs", capacity: 2 })
 *   const run = yield* Dispatch.pool(pool)(Double, { n: 21 }, { kind: "code" })
 *   return yield* run.await
 * })
 * await Effect.runPromise(Effect.scoped(Effect.provide(program, Live))) // => 42
 * ```
 */
export const pool = <PR = never>(pool: TaskPool<PR>, options?: {
  /** Defaults to `normal`. */
  readonly priority?: PoolPriority | undefined
}) =>
  RunGate.asking(<
    Name extends string,
    P extends Storable,
    S extends Storable,
    E extends Storable,
    // a handler of whatever name: names are invariant, so no other type covers them all
    // oxlint-disable-next-line typescript/no-explicit-any -- as said
    R extends PR | Handler<any>
  >(
    task: Task<Name, P, S, E, R>,
    payload: P["Type"],
    trigger: Trigger
  ): Effect.Effect<
    PoolRun<S["Type"], E["Type"] | TaskError>,
    PoolFull | PoolClosed | RunLogUnavailable,
    RunLog | Exclude<R, PR>
  > => pooled.dispatch(pool, options?.priority ?? "normal", task, payload, trigger))

/**
 * How an invocation of a task becomes a run. Every trigger takes a Dispatch, so history, tracing and metrics are the
 * same whatever started the work and wherever it runs.
 */
import * as Effect from "effect/Effect"
import { accept } from "./internal/execute.ts"
import type { RunLog, RunLogUnavailable } from "./RunLog.ts"
import type { Any, Storable, Task } from "./Task.ts"
import { type TaskError, TaskInterrupted } from "./TaskError.ts"
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
export const here = <Name extends string, P extends Storable, S extends Storable, E extends Storable, R>(
  task: Task<Name, P, S, E, R>,
  payload: P["Type"],
  trigger: Trigger
): Effect.Effect<RunRef<S["Type"], E["Type"] | TaskError>, RunLogUnavailable, RunLog | R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      const { giveUp, id, run } = yield* restore(
        accept(task, payload, trigger, { executor: "here", status: "running" })
      )
      const interrupted = new TaskInterrupted({ task: task.name, reason: null })
      return { id, await: yield* Effect.onInterrupt(restore(run), () => giveUp(interrupted)) }
    })
  )

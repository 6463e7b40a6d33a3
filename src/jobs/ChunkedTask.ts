/**
 * One handler call for many jobs of a task: rows that are written together, messages that go out in one request.
 *
 *   job --> gathered --size is reached | wait is over--> one call --> each job ends on its own
 *
 * Every job stays a job of its own: with its attempts, its limits, its end. A call that fails fails all of its jobs; one
 * that gives a failure for some fails those, and the rest complete. A job that is cancelled leaves the others alone, and a
 * call that everybody has left is interrupted. Finalizers of a call end before any of its jobs does.
 */
import type * as Arr from "effect/Array"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as CapturedContext from "../core/CapturedContext.ts"
import type { Storable, Task } from "../core/Task.ts"
import { Collector } from "./internal/worker/Collector.ts"
import type { Current } from "./JobAttempt.ts"

/**
 * One job of a call.
 *
 * @category models
 */
export interface Item<out Payload> {
  readonly payload: Payload
  /** Null outside of jobs: then it is the only one. */
  readonly job: Current | null
}

/**
 * @category models
 */
export interface Options {
  /** Most jobs in one call; at least 1. The `concurrency` of its queue counts jobs, so that has to be as many or more. */
  readonly size: number
  /** How long the first job waits for others. Defaults to `50 millis`. */
  readonly wait?: Duration.Input | undefined
}

/**
 * The same task with a handler for many at a time: give it to a worker in place of the task. The handler gives the
 * outcome of each item, in their order. Outside of jobs it is called with one item at once.
 *
 * @category constructors
 * @example
 * ```ts
 * import { Effect, Result, Schema } from "effect"
 * import { Task } from "ostinato"
 * import { ChunkedTask } from "ostinato/jobs"
 *
 * const IndexPost = Task.make("docs.index", { payload: { id: Schema.String }, error: Schema.String })
 * const IndexPosts = ChunkedTask.make(IndexPost, { size: 100 }, (items) =>
 *   Effect.succeed(items.map(({ payload }) => payload.id === "" ? Result.fail("no id") : Result.succeed(undefined)))
 * )
 *
 * await Effect.runPromise(Task.run(IndexPosts, { id: "7" })) // => undefined
 * ```
 */
export const make = <Name extends string, P extends Storable, S extends Storable, E extends Storable, R0, R>(
  task: Task<Name, P, S, E, R0>,
  options: Options,
  handler: (
    items: Arr.NonEmptyReadonlyArray<Item<P["Type"]>>
  ) => Effect.Effect<
    ReadonlyArray<Result.Result<S["Type"], E["Type"]> | Exit.Exit<S["Type"], E["Type"]>>,
    E["Type"],
    R
  >
): Task<Name, P, S, E, Exclude<R, Scope.Scope>> => ({
  ...task,
  handler: Effect.map(CapturedContext.make<Exclude<R, Scope.Scope>>(), (captured) => {
    const collector = new Collector<P["Type"], S["Type"], E["Type"], Exclude<R, Scope.Scope>>({
      task: task.name,
      size: Math.max(1, Math.trunc(options.size)),
      wait: Duration.toMillis(Duration.fromInputUnsafe(options.wait ?? "50 millis")),
      context: captured,
      call: (items) => Effect.scoped(handler(items))
    })
    return (payload: P["Type"]) => collector.join(payload)
  })
})

/**
 * Bounded concurrency in memory: work waits in a line, and never more of it runs than the pool has slots.
 *
 *   open --shutdown--> draining --(all done | drain over, then grace over)--> closed --start--> open
 *
 * Every submission ends exactly once, with what the work gave or with a typed reason, and every handle tells it; its body
 * is begun at most once. Running and free slots always add up to the capacity. A failure, a throw, a rejection or a
 * defect costs no slot and harms no other work. Work that was asked to stop (timeout, cancel, shutdown) and does not is
 * abandoned after its grace, and its slot given back. Runs start from the context in which the pool was made; of whoever
 * submits, only span, log annotations, origin and the handlers of tasks come along, never a transaction. What waits or
 * runs is lost with the process.
 */
import type * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Result from "effect/Result"
import type * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as CapturedContext from "./CapturedContext.ts"
import { open, type Opened, TypeId } from "./internal/pool/open.ts"
import type { PoolClosed, PoolFull, PoolInvalid } from "./PoolError.ts"
import { type Handler, run, type Storable, type Task } from "./Task.ts"
import type { TaskInterrupted, TaskTimeout } from "./TaskError.ts"

const CallId = "~ostinato/TaskPool/Call"

/**
 * Where a submission is. `interrupted`: cancelled, dropped, or cut short by a shutdown; a timeout is a failure.
 *
 * @category models
 */
export type PoolStatus = "waiting" | "running" | "completed" | "failed" | "interrupted"

/**
 * Higher ones begin first; within one, first in is first out.
 *
 * @category models
 */
export type PoolPriority = "high" | "normal" | "low"

/**
 * What happens to a submission for which there is neither a slot nor a place in the line. `backpressure`: whoever submits
 * waits. `reject`: it fails with `PoolFull`. `dropOldest`: the oldest of the lowest waiting priority gives way, unless
 * that is higher than the newcomer's. `callerRuns`: it runs at once, in no slot, and whoever submits waits for its end.
 *
 * @category models
 */
export type PoolPolicy = "backpressure" | "reject" | "dropOldest" | "callerRuns"

/**
 * The state of a pool at one instant, and what has become of all that was submitted:
 * `submitted = completed + failed + interrupted + dropped + rejected + waiting + running + outside`.
 *
 * @category models
 */
export interface Figures {
  /** Slots; while a pool shrinks, as many as still run. */
  readonly capacity: number
  readonly running: number
  /** `running + free = capacity`. */
  readonly free: number
  readonly waiting: number
  /** Those who wait for room in the line, not submitted yet. */
  readonly blocked: number
  /** Runs in the time of their callers, in no slot. */
  readonly outside: number
  readonly submitted: number
  readonly completed: number
  /** Typed failures, timeouts and defects. */
  readonly failed: number
  readonly interrupted: number
  readonly rejected: number
  readonly dropped: number
  /** Of the failed ones. */
  readonly defects: number
  /** Of the failed and interrupted ones: did not stop in time, and may go on. */
  readonly abandoned: number
  /** Ran longer than their soft limit. */
  readonly slow: number
}

/**
 * What became of the work that a pool held when it was shut down.
 *
 * @category models
 */
export interface PoolReport {
  /** Ended by themselves, well or not. */
  readonly completed: number
  /** Cut short, or never begun. */
  readonly interrupted: number
  /** Did not stop within the grace; named in the log. */
  readonly abandoned: number
}

/**
 * A submission as whoever made it sees it.
 *
 * @category models
 */
export interface Handle<out A, out E> {
  /** The outcome, when there is one. Interrupting whoever waits does not touch the work. */
  readonly await: Effect.Effect<A, E | TaskTimeout | TaskInterrupted>
  /** Asks the work to stop and waits for its end; work that has not begun never begins. `false`: it had ended. */
  readonly cancel: Effect.Effect<boolean>
  readonly status: Effect.Effect<PoolStatus>
}

/**
 * How one submission is treated.
 *
 * @category models
 */
export interface SubmitOptions<in E = never> {
  /** For logs, metrics, errors and its span; a submission without a name has no span of its own. */
  readonly name?: string | undefined
  /** Defaults to `normal`. */
  readonly priority?: PoolPriority | undefined
  /** Limit of its run, retries included: then `TaskTimeout`. Defaults to that of the task, else of the pool. */
  readonly timeout?: Duration.Input | undefined
  /** A warning and a metric after this time. Defaults to that of the pool. */
  readonly softTimeout?: Duration.Input | undefined
  /** Further runs after a typed failure. Defaults to none. */
  readonly retry?: Schedule.Schedule<unknown, E> | undefined
}

/**
 * A task with its payload, see `call`.
 *
 * @category models
 */
export interface Call<out A, out E, out R> {
  readonly [CallId]: typeof CallId
  readonly name: string
  readonly effect: Effect.Effect<A, E, R>
  /** That of the task. */
  readonly timeout: Duration.Duration
  readonly grace: Duration.Duration
}

// a handler of whatever name: names are invariant, so no other type covers them all
// oxlint-disable-next-line typescript/no-explicit-any -- as said
type AnyHandler = Handler<any>

/**
 * What a pool runs: an Effect, a task with its payload, or a function, synchronous or not, or one that gives an Effect.
 * A function that takes an argument is given an `AbortSignal`; what it throws or rejects with is a defect.
 *
 * @category models
 */
export type Work<R> =
  | Effect.Effect<unknown, unknown, R>
  | Call<unknown, unknown, R>
  | ((signal: AbortSignal) => unknown)

/**
 * What work gives.
 *
 * @category models
 */
export type Success<W> = W extends Effect.Effect<infer A, unknown, unknown> ? A
  : W extends Call<infer A, unknown, unknown> ? A
  : W extends (signal: never) => infer B ? (B extends Effect.Effect<infer A, unknown, unknown> ? A : Awaited<B>)
  : never

/**
 * What work fails with.
 *
 * @category models
 */
export type Failure<W> = W extends Effect.Effect<unknown, infer E, unknown> ? E
  : W extends Call<unknown, infer E, unknown> ? E
  : W extends (signal: never) => Effect.Effect<unknown, infer E, unknown> ? E
  : never

/**
 * What work needs.
 *
 * @category models
 */
export type Requires<W> = W extends Effect.Effect<unknown, unknown, infer R> ? R
  : W extends Call<unknown, unknown, infer R> ? R
  : never

/**
 * A pool. `R` are services that all its work may use.
 *
 * @category models
 */
export interface TaskPool<R = never> {
  readonly [TypeId]: Opened
  readonly name: string
  /** Answers when the work is accepted. What to do where there is no room says the policy of the pool. */
  readonly submit: <const W extends Work<R | AnyHandler>>(
    work: W,
    options?: SubmitOptions<Failure<W>>
  ) => Effect.Effect<Handle<Success<W>, Failure<W>>, PoolFull | PoolClosed, Exclude<Requires<W>, R>>
  /** Accepts or refuses at once, from code of any kind; never waits, whatever the policy. */
  readonly trySubmit: <const W extends Work<R>>(
    work: W,
    options?: SubmitOptions<Failure<W>>
  ) => Result.Result<Handle<Success<W>, Failure<W>>, PoolFull | PoolClosed>
  /** Submits and waits for the outcome. Interrupting the caller cancels the work. */
  readonly run: <const W extends Work<R | AnyHandler>>(
    work: W,
    options?: SubmitOptions<Failure<W>>
  ) => Effect.Effect<
    Success<W>,
    Failure<W> | TaskTimeout | TaskInterrupted | PoolFull | PoolClosed,
    Exclude<Requires<W>, R>
  >
  readonly figures: Effect.Effect<Figures>
  /** A smaller pool lets what runs end; a larger one begins more at once. */
  readonly resize: (capacity: Capacity) => Effect.Effect<void, PoolInvalid>
  /**
   * Takes no more, waits `drain` for what it has, then interrupts it and waits `grace` for that. Both default to those of
   * the pool. A second call waits for the first.
   */
  readonly shutdown: (options?: {
    readonly drain?: Duration.Input | undefined
    readonly grace?: Duration.Input | undefined
  }) => Effect.Effect<PoolReport>
  /** Opens a pool again that was shut down. */
  readonly start: Effect.Effect<void, PoolClosed>
}

/**
 * Slots: a number, `auto` for work of the CPU, `max(2, cores)`, or `io` for work that waits, 64. For a size that adapts,
 * call `resize` from a loop that watches the figures.
 *
 * @category models
 */
export type Capacity = number | "auto" | "io"

/**
 * How a pool is made. An option that makes no sense is a `PoolInvalid`.
 *
 * @category models
 */
export interface Options {
  /** For logs, metrics and errors. */
  readonly name: string
  readonly capacity: Capacity
  /** Most that wait; `0` for no bound, `none` for no line at all. Defaults to `10000`. */
  readonly maxWaiting?: number | "none" | undefined
  /** Defaults to `backpressure`. */
  readonly onFull?: PoolPolicy | undefined
  /** Waiting for this long counts as one priority higher, so that none starves; infinite for strict order. Defaults to `10 seconds`. */
  readonly ageing?: Duration.Input | undefined
  /** Limit of each submission that has none of its own. Defaults to `5 minutes`. */
  readonly timeout?: Duration.Input | undefined
  /** A warning and a metric when a submission runs longer. Defaults to none. */
  readonly softTimeout?: Duration.Input | undefined
  /** How long work that was asked to stop may take. Defaults to `3 seconds`. */
  readonly grace?: Duration.Input | undefined
  /** How long work may go on when the scope closes. Defaults to `10 seconds`. */
  readonly drain?: Duration.Input | undefined
  /** Runs for every defect, with its Cause (value and stack) and the name of the submission. */
  readonly onDefect?: ((cause: Cause.Cause<unknown>, task: string) => Effect.Effect<void>) | undefined
  /** Cores to count with. Defaults to those that this process may use. */
  readonly cores?: number | undefined
}

/**
 * Makes a pool that is shut down when the scope closes. `R` names services that are there now and that all its work may
 * use.
 *
 * @category constructors
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { TaskPool } from "ostinato"
 *
 * const program = Effect.gen(function*() {
 *   const pool = yield* TaskPool.make({ name: "docs", capacity: 2 })
 *   const handle = yield* pool.submit(Effect.succeed(20))
 *   const more = yield* pool.run(async () => 22)
 *   return (yield* handle.await) + more
 * })
 *
 * await Effect.runPromise(Effect.scoped(program)) // => 42
 * ```
 */
export const make = <R = never>(options: Options): Effect.Effect<TaskPool<R>, PoolInvalid, R | Scope.Scope> =>
  Effect.gen(function*() {
    const context = yield* CapturedContext.make<R>()
    const opened = yield* open(options, context)
    // the outcome of a handle is that of its work, which the lean inside does not follow
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as said
    return { [TypeId]: opened, ...opened.api } as unknown as TaskPool<R>
  })

/**
 * A pool as a service.
 *
 * @category layers
 * @example
 * ```ts
 * import { Context, Effect } from "effect"
 * import { TaskPool } from "ostinato"
 *
 * class Downloads extends Context.Service<Downloads, TaskPool.TaskPool>()("docs/Downloads") {}
 * const DownloadsLive = TaskPool.layer(Downloads, { name: "downloads", capacity: "io" })
 *
 * const program = Effect.flatMap(Downloads, (pool) => pool.run(() => "done"))
 * await Effect.runPromise(Effect.provide(program, DownloadsLive)) // => "done"
 * ```
 */
export const layer = <I, R>(
  tag: Context.Key<I, TaskPool<R>>,
  options: Options
): Layer.Layer<I, PoolInvalid, Exclude<R, Scope.Scope>> => Layer.effect(tag, make<R>(options))

/**
 * A task with its payload, as work for a pool. Its timeout, where it has one, takes the place of the pool's, and its
 * handler may be that of whoever submits. The pool keeps no record of it: see `Dispatch.pool` for a recorded run.
 *
 * @category constructors
 */
export const call = <Name extends string, P extends Storable, S extends Storable, E extends Storable, R>(
  task: Task<Name, P, S, E, R>,
  payload: P["Type"]
): Call<S["Type"], E["Type"] | TaskTimeout, R> => ({
  [CallId]: CallId,
  name: task.name,
  effect: run(task, payload),
  timeout: task.timeout,
  grace: task.grace
})

/**
 * A pool of threads, or of child processes, for work that would hold the event loop: hashing, decoding, parsing.
 *
 *   waiting --a thread has room--> running --value | thrown--> settled
 *                                     |
 *                                     +--interrupted | limit over--> asked to stop --no end in time--> killed
 *                                     +--thread ended--> WorkerCrashed | WorkerOutOfMemory
 *
 * A thread runs one task at a time. A task that does not stop when it is asked to is ended with its thread, whatever it
 * does, and whoever waits hears of it when it has ended. A thread that is lost loses the task that ran on it, and a new
 * one takes its place. Tasks below 0.1 ms, which cost less than a message, are sent and answered several at a time: where
 * one of those has to be killed, those that ended within the half millisecond before may be lost with it. No task is ever
 * run twice, and nothing outlives the scope of the pool.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Tracer from "effect/Tracer"
import * as Transferable from "effect/workers/Transferable"
import { availableParallelism } from "node:os"
import type { ResourceLimits } from "node:worker_threads"
import { sizeOf } from "./internal/pool/settings.ts"
import * as Crew from "./internal/thread/crew.ts"
import * as Host from "./internal/thread/host.ts"
import { type Reader, reader } from "./internal/thread/outcome.ts"
import { stuckIn } from "./internal/thread/protocol.ts"
import type { Job, Kind, Outcome } from "./internal/thread/seat.ts"
import type { PoolInvalid } from "./PoolError.ts"
import * as PoolMetrics from "./PoolMetrics.ts"
import { PayloadInvalid } from "./TaskError.ts"
import { NotTransferable, type ThreadError } from "./ThreadError.ts"
import { isThreadTask, type ThreadTask, type Travelling } from "./ThreadTask.ts"

/**
 * How a pool of threads is made.
 *
 * @category models
 */
export interface Options {
  /** For logs, spans, metrics and errors. Defaults to `threads`. */
  readonly name?: string | undefined
  /** How many tasks run at a time. `auto` is the number of cores, but at least 2. Defaults to `2`. */
  readonly capacity?: number | "auto" | undefined
  /** Where they run. `none` runs them on this thread, where nothing can be killed. Defaults to `thread`. */
  readonly isolation?: "thread" | "process" | "none" | undefined
  /** A thread without work for this long ends. Defaults to `10 seconds`. */
  readonly idleTimeout?: Duration.Input | undefined
  /** Starts all threads at once, and is made when they are ready. Defaults to false: they start when they are needed. */
  readonly prewarm?: boolean | undefined
  /** Limit of a task from its start on a thread; `run` may give another one. Defaults to none. */
  readonly timeout?: Duration.Input | undefined
  /** How long a task that was asked to stop may take, if its event loop turns. Defaults to `1 second`. */
  readonly grace?: Duration.Input | undefined
  /** What every thread sees of the configuration: a clone, frozen to the bottom. Defaults to `null`. */
  readonly config?: Schema.Json | undefined
  /** Limits of memory of each thread, in megabytes. Buffers do not count: for those, watch a `process`. */
  readonly resourceLimits?: ResourceLimits | undefined
}

/**
 * How one task runs.
 *
 * @category models
 */
export interface RunOptions {
  /** Limit from the start on a thread. Defaults to that of the pool. */
  readonly timeout?: Duration.Input | undefined
  /** Lower numbers go first. Defaults to `0`. */
  readonly priority?: number | undefined
  /** Buffers of the payload that move instead of being copied; they are gone from here. */
  readonly transfer?: ReadonlyArray<ArrayBuffer> | undefined
}

/**
 * The state of a pool at one instant.
 *
 * @category models
 */
export interface Status extends Crew.Status {
  readonly name: string
  readonly capacity: number
}

/**
 * A pool of threads or child processes.
 *
 * @category services
 */
export class ThreadPool extends Context.Service<ThreadPool, {
  readonly name: string
  /** Runs a task on a thread. Interruption stops it there: first asked, then by force. */
  readonly run: <P extends Travelling, S extends Travelling, E extends Travelling>(
    task: ThreadTask<P, S, E>,
    payload: P["Type"],
    options?: RunOptions
  ) => Effect.Effect<S["Type"], E["Type"] | ThreadError>
  readonly status: Effect.Effect<Status>
}>()("ostinato/core/ThreadPool") {}

/**
 * The number of cores, which `capacity: "auto"` goes by.
 *
 * @category references
 */
export const Cores: Context.Reference<number> = Context.Reference("ostinato/core/ThreadPool/Cores", {
  defaultValue: availableParallelism
})

/**
 * Makes a pool that ends with its scope.
 *
 * @category constructors
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { ThreadPool, ThreadTask } from "ostinato"
 *
 * const Sum = ThreadTask.make("docs.sum", {
 *   module: new URL("data:text/javascript,export const sum = ({ to }) => to * (to + 1) / 2"),
 *   export: "sum",
 *   payload: { to: Schema.Int },
 *   success: Schema.Int
 * })
 *
 * const program = Effect.gen(function*() {
 *   const pool = yield* ThreadPool.make({ name: "numbers", capacity: "auto" })
 *   return yield* pool.run(Sum, { to: 100 }, { timeout: "5 seconds" })
 * })
 *
 * await Effect.runPromise(Effect.scoped(program)) // => 5050
 * ```
 */
export const make = (options: Options = {}): Effect.Effect<ThreadPool["Service"], PoolInvalid, Scope.Scope> =>
  Effect.gen(function*() {
    const name = options.name ?? "threads"
    const cores = yield* Cores
    const capacity = yield* sizeOf(name, options.capacity ?? 2, cores)
    const millis = (input: Duration.Input) => Duration.toMillis(Duration.fromInputUnsafe(input))
    const limitMs = millis(options.timeout ?? Duration.infinity)
    const clock = yield* Clock.Clock
    const context = yield* Effect.context()
    const now = () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
    const woken = yield* Queue.sliding<void>(1)
    const ends: Array<string> = []
    let wakeAt = Number.POSITIVE_INFINITY

    const crew = Crew.make({
      capacity,
      idleMs: millis(options.idleTimeout ?? "10 seconds"),
      graceMs: millis(options.grace ?? "1 second"),
      now,
      start: (listener) =>
        Host.start({
          name,
          now,
          isolation: options.isolation ?? "thread",
          config: options.config ?? null,
          limits: options.resourceLimits ?? {}
        }, listener),
      due: (at) => {
        if (at >= wakeAt) return
        wakeAt = at
        Queue.offerUnsafe(woken, undefined)
      },
      crashed: ({ detail }) => {
        PoolMetrics.count(context, PoolMetrics.crashes, { pool: name })
        ends.push(detail)
        Queue.offerUnsafe(woken, undefined)
      }
    })
    yield* PoolMetrics.showState(name, () => {
      const { running, waiting } = crew.status()
      return { capacity, running, free: capacity - running, waiting }
    })

    const watch = Effect.gen(function*() {
      for (const detail of ends.splice(0)) yield* Effect.logError(`a thread of pool ${name} ended: ${detail}`)
      wakeAt = crew.tick()
      yield* Number.isFinite(wakeAt)
        ? Effect.timeoutOption(Queue.take(woken), Math.min(Math.max(1, wakeAt - now()), longestSleep))
        : Queue.take(woken)
    })
    yield* Effect.addFinalizer(() =>
      Effect.timeoutOrElse(Effect.callback<void>((resume) => crew.close(() => resume(Effect.void))), {
        duration: "5 seconds",
        orElse: () =>
          Effect.andThen(
            Effect.sync(crew.leave),
            Effect.logError(`threads of pool ${name} did not end when they were killed: they are abandoned`)
          )
      })
    )
    yield* watch.pipe(
      Effect.catchCause((cause) =>
        Effect.andThen(Effect.logError(`the watch over pool ${name} failed`, cause), Effect.sleep("1 second"))
      ),
      Effect.forever,
      Effect.forkScoped
    )
    if (options.prewarm === true) {
      yield* Effect.callback<void>((resume) => crew.prewarm(() => resume(Effect.void)))
    }

    const kinds = new Map<string, Kind>()
    const kindOf = (code: string): Kind => {
      const kind = kinds.get(code) ?? { index: kinds.size, code, meanMs: Number.POSITIVE_INFINITY }
      kinds.set(code, kind)
      return kind
    }
    const known = new WeakMap<object, object>()
    const knownOf = <P extends Travelling, S extends Travelling, E extends Travelling>(task: ThreadTask<P, S, E>) => {
      const found = known.get(task)
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what is kept under a task was made for it
      if (found !== undefined) return found as Known<S["Type"], E["Type"]>
      const made: Known<S["Type"], E["Type"]> = {
        encode: Schema.encodeUnknownEffect(task.payload),
        reader: reader(task),
        kind: kindOf(`${task.module}#${task.export}`)
      }
      known.set(task, made)
      return made
    }

    const attributes = { "ostinato.pool": name }
    const run = <P extends Travelling, S extends Travelling, E extends Travelling>(
      task: ThreadTask<P, S, E>,
      payload: P["Type"],
      { priority = 0, timeout, transfer = [] }: RunOptions = {}
    ): Effect.Effect<S["Type"], E["Type"] | ThreadError> =>
      Effect.suspend(() => {
        if (!isThreadTask(task)) return Effect.fail(notATask(task))
        const { encode, kind, reader } = knownOf(task)
        const call = (encoded: unknown, moved: ReadonlyArray<ArrayBuffer>, span: Tracer.Span) =>
          Effect.callback<S["Type"], E["Type"] | ThreadError>((resume) => {
            const job: Job = {
              payload: encoded,
              transfer: moved,
              limitMs: timeout === undefined ? limitMs : millis(timeout),
              kind,
              settle: (outcome: Outcome) => {
                if (outcome.kind === "reply") span.attribute("threadId", outcome.host)
                resume(reader.read(name, job, outcome))
              },
              id: 0,
              slot: 0,
              expectedMs: 0,
              stopping: undefined
            }
            crew.submit(job, priority)
            return Effect.callback<void>((stopped) => crew.cancel(job, () => stopped(Effect.void)))
          })
        return Effect.useSpan(`thread ${task.name}`, { attributes }, (span) => {
          const encoding = encode(payload)
          // most Schemas answer at once
          if (Exit.isExit(encoding) && Exit.isSuccess(encoding)) return call(encoding.value, transfer, span)
          const collector = Transferable.makeCollectorUnsafe()
          return encoding.pipe(
            Effect.provideService(Transferable.Collector, collector),
            Effect.mapError((error) => unfit(task.name, payload, error.message)),
            Effect.flatMap((encoded) => call(encoded, [...transfer, ...moving(collector)], span))
          )
        })
      })

    return {
      name,
      run,
      status: Effect.sync(() => ({ name, capacity, ...crew.status() }))
    }
  })

/**
 * A pool as a service, which ends with the scope of the Layer.
 *
 * @category layers
 */
export const layer = (options?: Options): Layer.Layer<ThreadPool, PoolInvalid> =>
  Layer.effect(ThreadPool, make(options))

/**
 * The handler of a task that runs on the pool: exchanging one Layer moves the task to other threads, or to none.
 *
 * @category constructors
 */
export const handler = <P extends Travelling, S extends Travelling, E extends Travelling>(
  task: ThreadTask<P, S, E>,
  options?: RunOptions
): (payload: P["Type"]) => Effect.Effect<S["Type"], E["Type"] | ThreadError, ThreadPool> =>
(payload) => Effect.flatMap(ThreadPool, (pool) => pool.run(task, payload, options))

// an hour, below what a timer can count
const longestSleep = 3_600_000

interface Known<S, E> {
  readonly encode: (payload: unknown) => Effect.Effect<unknown, Schema.SchemaError>
  readonly reader: Reader<S, E>
  readonly kind: Kind
}

// whatever can move is taken as it is by postMessage, whose types know of buffers
const moving = (collector: Transferable.Collector["Service"]) => collector.readUnsafe() as ReadonlyArray<ArrayBuffer>

const notATask = (value: unknown) => {
  const stuck = stuckIn(value, "task") ?? { path: "task", value: "no ThreadTask" }
  return new NotTransferable({ task: stuck.value, ...stuck })
}

const unfit = (task: string, payload: unknown, detail: string) => {
  const stuck = stuckIn(payload, "payload")
  return stuck === undefined ? new PayloadInvalid({ task, detail }) : new NotTransferable({ task, ...stuck })
}

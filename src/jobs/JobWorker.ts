/**
 * Claims jobs of queues and runs them with the handlers of their tasks: the same handlers that run everywhere else.
 *
 *   claimed --a slot is free--> running --> completed | retried | snoozed | discarded | cancelled
 *      |                          |
 *      +----- stop of the worker -+--> handed back, no attempt spent
 *
 * **Guarantees.** A job that was claimed is attempted once for that claim; the finalizers of the attempt end, or use up
 * their grace, before its outcome is recorded. Of a job whose lease is lost nothing is recorded, and all that runs under
 * it is interrupted at once. Outcomes that the store cannot be told of stay in memory until it is back, bounded, because
 * claiming has stopped by then. A stop takes at most drain + grace + 1 second, whatever handlers do.
 *
 * **Not promised.** Exactly one execution: a process that dies with a job leaves it to be run again. What must happen once
 * completes in the handler's own transaction: `JobAttempt.completeTx`.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type { Supervisor } from "../core/Supervisor.ts"
import type { Any, Requires, Storable, Task } from "../core/Task.ts"
import { isTask } from "../core/Task.ts"
import type { TaskTimeout } from "../core/TaskError.ts"
import { logger } from "./internal/worker/capture.ts"
import { type Decision as Decided, make as serving, type Manners, type Served } from "./internal/worker/Served.ts"
import type { Stopped } from "./internal/worker/stopping.ts"
import { open } from "./internal/worker/worker.ts"
import type { JobStoreUnavailable, QueueNotServed } from "./JobError.ts"
import * as JobMaintenance from "./JobMaintenance.ts"
import type { Claimed, JobStore } from "./JobStore.ts"

/**
 * A worker was given something that it cannot work with.
 *
 * @category errors
 */
export class JobWorkerInvalid extends Schema.TaggedError<JobWorkerInvalid>()("JobWorkerInvalid", {
  option: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `option ${this.option} of the worker ${this.detail}`
  }
}

/**
 * What becomes of a job whose attempt failed: `retry` as the policy of its task says, `discard` at once, or `snooze`,
 * again later without spending the attempt.
 *
 * @category models
 */
export type Decision = Decided

/**
 * What a worker may be told about a task besides its contract.
 *
 * @category models
 */
export interface ServeOptions<E> {
  /** Decides about a job by the error or the timeout of its attempt. Defaults to `retry`, always. */
  readonly onError?: ((error: E | TaskTimeout, job: Claimed) => Decision) | undefined
  /**
   * Further attempts after a defect. Defaults to none: a defect is a bug, and what repeating its effects would do nobody
   * has thought about, so its job is discarded, where it is seen and can be put back. A defect that says that the
   * database or a store of ours was away is no bug: its job is retried after 1 to 60 seconds, at most `maxAttempts` times.
   */
  readonly retryDefects?: Schedule.Schedule<unknown> | undefined
}

const TypeId = "~ostinato/JobWorker/Serving"

/**
 * A task as a worker serves it.
 *
 * @category models
 */
export interface Serving<out R> {
  readonly [TypeId]: typeof TypeId
  readonly task: string
  /** Finds the handler. */
  readonly make: (base: Context.Context<never>) => Effect.Effect<Served, never, R>
}

/**
 * @category models
 */
export type Servable = Any | Serving<unknown>

/**
 * What must be there to serve tasks: their handlers.
 *
 * @category models
 */
export type Needs<T extends Servable> = T extends Serving<infer R> ? R : T extends Any ? Requires<T> : never

/**
 * How a worker takes from one queue.
 *
 * @category models
 */
export interface QueueOptions {
  /** Jobs of the queue that this worker runs at a time. Defaults to 10. */
  readonly concurrency?: number | undefined
  /**
   * Jobs that it fetches ahead of free slots, so that it need not wait for the store between short ones. They are held
   * by this worker meanwhile. Defaults to as many as the queue ends in 100 ms, at most 2,000.
   */
  readonly prefetch?: number | undefined
}

/**
 * @category models
 */
export interface Options<Tasks extends ReadonlyArray<Servable>> {
  /** The queues that it serves. */
  readonly queues: Readonly<Record<string, QueueOptions>>
  /** The tasks that it has handlers for. */
  readonly tasks: Tasks
  /** How long a stop lets what runs go on. Defaults to `25 seconds`. */
  readonly drain?: Duration.Input | undefined
  /** How long what was asked to stop by a stop may take for its finalizers. Defaults to `3 seconds`. */
  readonly grace?: Duration.Input | undefined
  /**
   * Serves its queues although they hold jobs of tasks that it has no handlers for; it gives those back with a delay.
   * Defaults to `false`: it refuses to start.
   */
  readonly partial?: boolean | undefined
  /** Name of this process in the store. Defaults to the name of the machine. */
  readonly node?: string | undefined
  /** Results that are kept while the store is away; it claims no more beyond that. Defaults to 10,000. */
  readonly results?: number | undefined
  /** How long the store may take for one answer before it is asked again. Defaults to `10 seconds`. */
  readonly patience?: Duration.Input | undefined
  /** What must be done again and again by some process: see `JobMaintenance`. `false`: not by this one. */
  readonly maintenance?: JobMaintenance.Options | false | undefined
}

/**
 * @category models
 */
export interface QueueStatus {
  readonly capacity: number
  readonly running: number
  /** Claimed, and waiting for a slot. */
  readonly prefetched: number
}

/**
 * @category models
 */
export interface Status {
  readonly state: "running" | "stopping"
  readonly queues: Readonly<Record<string, QueueStatus>>
  /** Ends of attempts that the store does not know of yet. */
  readonly unrecorded: number
  /** Attempts that were let go because they ignored the request to stop, and still go on. */
  readonly stuck: number
}

/**
 * What became of the attempts that ran when a stop began, and how many ends the store could not be told of.
 *
 * @category models
 */
export type Report = Stopped

/**
 * A worker of this process.
 *
 * @category services
 */
export class JobWorker extends Context.Service<JobWorker, {
  readonly status: Effect.Effect<Status>
  /** Stops it. A second call waits for the first. The end of its Layer stops it as well. */
  readonly stop: Effect.Effect<Report>
}>()("ostinato/jobs/JobWorker") {}

/**
 * Serves a task, and decides about its failures.
 *
 * @category constructors
 */
export const serve = <Name extends string, P extends Storable, S extends Storable, E extends Storable, R>(
  task: Task<Name, P, S, E, R>,
  options: ServeOptions<E["Type"]> = {}
): Serving<R> => ({
  [TypeId]: TypeId,
  task: task.name,
  make: (base) => serving(task, options satisfies Manners, base, logger)
})

/**
 * A worker that runs until its scope closes, and then stops as `stop` does. It does not compile without the handlers of
 * its tasks.
 *
 * @category layers
 * @example
 * ```ts
 * import { Effect, Layer, Schema } from "effect"
 * import { Supervisor, Task } from "ostinato"
 * import { JobQueue, JobWorker } from "ostinato/jobs"
 * import * as Memory from "ostinato/jobs/stores/Memory"
 *
 * const Greet = Task.make("docs.greet", { payload: { name: Schema.String }, success: Schema.String })
 * const GreetLive = Greet.toLayer(({ name }) => Effect.succeed(`Hello ${name}`))
 *
 * const worker = JobWorker.layer({ queues: { mail: { concurrency: 50 } }, tasks: [Greet] })
 *
 * const program = Effect.gen(function*() {
 *   const { id } = yield* JobQueue.enqueue(Greet, { name: "Ada" }, { queue: "mail" })
 *   return yield* JobQueue.result(Greet, id)
 * })
 *
 * await Effect.runPromise(program.pipe(
 *   Effect.provide(worker.pipe(
 *     Layer.provide(GreetLive),
 *     Layer.provideMerge(Layer.provideMerge(Memory.layer, Supervisor.layer))
 *   ))
 * )) // => "Hello Ada"
 * ```
 */
export const layer = <const Tasks extends ReadonlyArray<Servable>>(
  options: Options<Tasks>
): Layer.Layer<JobWorker, QueueNotServed | JobStoreUnavailable, JobStore | Supervisor | Needs<Tasks[number]>> => {
  const worker = Layer.effect(JobWorker, make(options))
  return options.maintenance === false
    ? worker
    : Layer.provideMerge(worker, JobMaintenance.layer(options.maintenance ?? {}))
}

const make = Effect.fnUntraced(function*<Tasks extends ReadonlyArray<Servable>>(options: Options<Tasks>) {
  // types tell which handlers the tasks of a list need, which a list of any tasks forgets
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as said
  const tasks = options.tasks.map(servingOf) as ReadonlyArray<Serving<Needs<Tasks[number]>>>
  yield* checked(options, tasks.map(({ task }) => task))
  const { engine, stop } = yield* open({
    queues: Object.entries(options.queues).map(([name, { concurrency, prefetch }]) => ({
      name,
      concurrency: concurrency ?? 10,
      prefetch: prefetch ?? null
    })),
    tasks: tasks.map(({ task }) => task),
    serve: (base) => Effect.forEach(tasks, (one) => one.make(base)),
    drain: Duration.fromInputUnsafe(options.drain ?? "25 seconds"),
    grace: Duration.fromInputUnsafe(options.grace ?? "3 seconds"),
    partial: options.partial ?? false,
    node: options.node,
    maxResults: options.results ?? 10_000,
    limit: Duration.toMillis(Duration.fromInputUnsafe(options.patience ?? "10 seconds"))
  })
  return JobWorker.of({
    stop,
    status: Effect.sync(() => ({
      state: engine.isOpen ? "running" : "stopping",
      queues: Object.fromEntries(
        Array.from(engine.lanes.values(), ({ capacity, name, prefetched, running }) => [
          name,
          { capacity, running: running.size, prefetched }
        ])
      ),
      unrecorded: engine.results.size,
      stuck: engine.stuck
    }))
  })
})

const servingOf = (one: Servable): Serving<unknown> =>
  // every task is one of these; `Any` has forgotten its parameters
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as said
  isTask(one) ? serve(one as Task<string, Storable, Storable, Storable, unknown>) : one

const checked = Effect.fnUntraced(function*(options: Options<ReadonlyArray<Servable>>, tasks: ReadonlyArray<string>) {
  const twice = tasks.find((task, i) => tasks.indexOf(task) < i)
  const refuse = (option: string, detail: string) => Effect.die(new JobWorkerInvalid({ option, detail }))
  if (twice !== undefined) return yield* refuse("tasks", `names ${twice} twice: give each task a name of its own`)
  const queues = Object.entries(options.queues)
  if (queues.length === 0) return yield* refuse("queues", "is empty: name at least one queue")
  for (const [queue, { concurrency = 1, prefetch = 0 }] of queues) {
    if (!Number.isInteger(concurrency) || concurrency < 1) {
      return yield* refuse(`queues.${queue}.concurrency`, `is ${concurrency}: give a whole number from 1`)
    }
    if (!Number.isInteger(prefetch) || prefetch < 0) {
      return yield* refuse(`queues.${queue}.prefetch`, `is ${prefetch}: give a whole number, 0 for none`)
    }
  }
})

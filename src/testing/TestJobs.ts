/**
 * Durable jobs under test: the store in memory, the real worker, the clock in the test's hand.
 *
 * Everything that a job meets on Postgres it meets here as well: retries and their delays, unique keys, limits, graphs,
 * leases. `drain` works off what is due, `advance` lets days pass from one due job or tick to the next, so thirty of them
 * take milliseconds. Under Effect's `TestClock`.
 */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import type { CheckpointStore } from "../core/CheckpointStore.ts"
import type { RunLog } from "../core/RunLog.ts"
import type { Supervisor } from "../core/Supervisor.ts"
import type { Storable, Task } from "../core/Task.ts"
import type { TaskError } from "../core/TaskError.ts"
import type { Job, JobFailure, JobId } from "../jobs/Job.ts"
import type { JobEnded, JobStoreUnavailable, QueueNotServed } from "../jobs/JobError.ts"
import type { JobOptions } from "../jobs/JobOptions.ts"
import * as JobQueue from "../jobs/JobQueue.ts"
import * as JobResult from "../jobs/JobResult.ts"
import { type End, JobStore } from "../jobs/JobStore.ts"
import type * as JobWorker from "../jobs/JobWorker.ts"
import * as Memory from "../jobs/stores/Memory.ts"
import { ScheduleStore } from "../schedule/ScheduleStore.ts"
import { upkeep, workOff } from "./internal/jobs/working.ts"
import * as TestTasks from "./TestTasks.ts"

export {
  assertEnqueued,
  assertNotEnqueued,
  type Expectation,
  JobEnqueued,
  JobNotEnqueued
} from "./internal/jobs/expecting.ts"

/**
 * What was due has not been worked off in the time that a test gave it.
 *
 * @category errors
 */
export class JobsNotDone extends Schema.TaggedError<JobsNotDone>()("JobsNotDone", {
  queues: Schema.Array(Schema.String),
  withinMs: Schema.Finite
}) {
  override get message() {
    return `jobs of ${
      this.queues.join(", ")
    } have not ended after ${this.withinMs} ms: give them more time with \`within\`, ` +
      "or look for what they wait for"
  }
}

/**
 * All that jobs, tasks and schedules need, in memory.
 *
 * @category layers
 */
export const layer: Layer.Layer<JobStore | Memory.Due | Supervisor | RunLog | ScheduleStore | CheckpointStore> = Layer
  .provideMerge(Memory.layer, TestTasks.layer)

/**
 * One attempt that ended.
 *
 * @category models
 */
export interface Ran {
  readonly id: JobId
  readonly queue: string
  readonly task: string
  /** In its JSON form. */
  readonly payload: Schema.Json
  readonly attempt: number
  readonly outcome: End["outcome"]
  /** In its JSON form; null unless completed. */
  readonly output: Schema.Json
  readonly failure: JobFailure | null
}

/**
 * @category models
 */
export interface WorkOptions<Tasks extends ReadonlyArray<JobWorker.Servable>> {
  /** Their handlers must be there. */
  readonly tasks: Tasks
  /** Defaults to those that hold jobs of these tasks. */
  readonly queues?: ReadonlyArray<string> | undefined
  /** Jobs of a queue at a time. Defaults to 1, so that they end in the order of the queue. */
  readonly concurrency?: number | undefined
  /** How long the work may take, by the clock of the test. Defaults to `1 hour`. */
  readonly within?: Duration.Input | undefined
}

/**
 * What a program under test needs, besides the handlers of its tasks.
 *
 * @category models
 */
export type World = JobStore | Memory.Due | Supervisor

/**
 * Works off every job that is due, and those that become due meanwhile, and gives the attempts in the order in which they
 * ended. A retry with a delay is not due: `advance` gets there.
 *
 * @category running
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { TestClock } from "effect/testing"
 * import { Task } from "ostinato"
 * import { JobQueue } from "ostinato/jobs"
 * import { TestJobs } from "ostinato/testing"
 *
 * const Mail = Task.make("docs.mail", { payload: { to: Schema.String }, success: Schema.String })
 * const MailLive = Mail.toLayer(({ to }) => Effect.succeed(`sent to ${to}`))
 *
 * const ran = await Effect.gen(function*() {
 *   yield* JobQueue.enqueue(Mail, { to: "ada" })
 *   yield* JobQueue.enqueue(Mail, { to: "bob" }, { delay: "1 day" })
 *   return yield* TestJobs.drain({ tasks: [Mail] })
 * }).pipe(Effect.provide([TestJobs.layer, TestClock.layer(), MailLive]), Effect.runPromise)
 *
 * ran.map(({ outcome, output }) => [outcome, output]) // => [["completed", "sent to ada"]]
 * ```
 */
export const drain = Effect.fn("TestJobs.drain")(function*<const Tasks extends ReadonlyArray<JobWorker.Servable>>(
  options: WorkOptions<Tasks>
): Effect.fn.Return<
  ReadonlyArray<Ran>,
  JobsNotDone | JobStoreUnavailable | QueueNotServed,
  World | JobWorker.Needs<Tasks[number]>
> {
  const ran: Array<Ran> = []
  yield* working(options, (end) => ran.push(ranOf(end)))
  return ran
})

/**
 * Lets time pass, and works off jobs whenever they become due: by their delay, the back-off of a retry, a limit, the end of
 * a dead worker's lease, or the tick of a schedule that runs beside it. Goes from one such instant to the next; other
 * fibers sleep and wake as they do under `TestClock.adjust`, and what they enqueue by themselves waits for the end of the
 * step. Handlers that still run at the end may end first. Gives the attempts in the order in which they ended.
 *
 * @category running
 * @example
 * ```ts
 * import { Effect, Schedule, Schema } from "effect"
 * import { TestClock } from "effect/testing"
 * import { Task } from "ostinato"
 * import { JobQueue } from "ostinato/jobs"
 * import { TestJobs } from "ostinato/testing"
 *
 * let calls = 0
 * const Charge = Task.make("docs.charge-later", {
 *   error: Schema.String,
 *   retry: Schedule.spaced("10 hours")
 * })
 * const ChargeLive = Charge.toLayer(() => Effect.suspend(() => ++calls < 3 ? Effect.fail("declined") : Effect.void))
 *
 * const ran = await Effect.gen(function*() {
 *   yield* JobQueue.enqueue(Charge, {}, { delay: "1 day" })
 *   return yield* TestJobs.advance("30 days", { tasks: [Charge] })
 * }).pipe(Effect.provide([TestJobs.layer, TestClock.layer(), ChargeLive]), Effect.runPromise)
 *
 * ran.map(({ outcome }) => outcome) // => ["retry", "retry", "completed"]
 * ```
 */
export const advance = Effect.fn("TestJobs.advance")(function*<const Tasks extends ReadonlyArray<JobWorker.Servable>>(
  duration: Duration.Input,
  options: WorkOptions<Tasks> & {
    /** The longest step of the clock. Defaults to `1 hour`. */
    readonly step?: Duration.Input | undefined
  }
): Effect.fn.Return<
  ReadonlyArray<Ran>,
  JobsNotDone | JobStoreUnavailable | QueueNotServed,
  World | JobWorker.Needs<Tasks[number]>
> {
  const ran: Array<Ran> = []
  const due = yield* Memory.Due
  const longest = Duration.toMillis(Duration.fromInputUnsafe(options.step ?? "1 hour"))
  const until = (yield* Clock.currentTimeMillis) + Duration.toMillis(Duration.fromInputUnsafe(duration))
  while (true) {
    yield* TestClock.adjust(0)
    yield* working(options, (end) => ran.push(ranOf(end)))
    const left = until - (yield* Clock.currentTimeMillis)
    if (left <= 0) return ran
    const next = Math.min((yield* due.nextMs) ?? longest, yield* nextTickMs, longest, left)
    yield* TestClock.adjust(Math.max(1, next))
  }
})

/**
 * What came of one attempt.
 *
 * @category models
 */
export interface Performed<out A, out E> {
  readonly outcome: End["outcome"]
  /** The value or why there is none. One that is retried, snoozed or held fails with what its attempt failed with. */
  readonly exit: Exit.Exit<A, E | TaskError | JobEnded>
  /** As it stands after the attempt. */
  readonly job: Job
}

/**
 * Enqueues one job, runs one attempt of it, and gives what came of it. It has its queue for itself.
 *
 * @category running
 * @example
 * ```ts
 * import { Effect, Exit, Schedule, Schema } from "effect"
 * import { TestClock } from "effect/testing"
 * import { Task } from "ostinato"
 * import { TestJobs } from "ostinato/testing"
 *
 * const Import = Task.make("docs.import", { error: Schema.String, retry: Schedule.spaced("1 minute") })
 * const ImportLive = Import.toLayer(() => Effect.fail("no such file"))
 *
 * const { exit, outcome } = await TestJobs.perform(Import, {}).pipe(
 *   Effect.provide([TestJobs.layer, TestClock.layer(), ImportLive]),
 *   Effect.runPromise
 * )
 *
 * outcome // => "retry"
 * exit // => Exit.fail("no such file")
 * ```
 */
export const perform = Effect.fn("TestJobs.perform")(
  function*<Name extends string, P extends Storable, S extends Storable, E extends Storable, R>(
    task: Task<Name, P, S, E, R>,
    payload: P["Type"],
    options?: Omit<JobOptions<NoInfer<P["Type"]>>, "queue"> & {
      /** How long the attempt may take, by the clock of the test. Defaults to `1 hour`. */
      readonly within?: Duration.Input | undefined
    }
  ): Effect.fn.Return<
    Performed<S["Type"], E["Type"]>,
    JobsNotDone | JobQueue.EnqueueError | QueueNotServed,
    World | R
  > {
    const { within, ...rest } = options ?? {}
    const store = yield* JobStore
    const queue = `test.${task.name}.${yield* JobQueue.newId}`
    const { id } = yield* JobQueue.enqueue(task, payload, { ...rest, queue })
    let ended: End | undefined
    yield* working({ tasks: [task], queues: [queue], within }, (end) => ended ??= end, () => ended !== undefined)
    const job = yield* store.get(id)
    if (ended === undefined || job === null) {
      return yield* Effect.die(new Error(`job ${id} of task ${task.name} was not due, so nothing ran`))
    }
    return { outcome: ended.outcome, exit: yield* Effect.exit(Effect.fromResult(JobResult.read(task, job))), job }
  }
)

/**
 * A worker claims jobs of a queue, at most so many, and dies with them. They run again when its lease is over, 30 seconds
 * later. Gives their ids.
 *
 * @category running
 */
export const crash = Effect.fn("TestJobs.crash")(function*(queue: string, options?: {
  /** Defaults to 1. */
  readonly jobs?: number | undefined
}) {
  const store = yield* JobStore
  yield* upkeep
  const scope = yield* Scope.make()
  const member = yield* Scope.provide(store.join({ node: "crashed", info: {}, serves: {} }), scope)
  const jobs = yield* store.claim(member, queue, options?.jobs ?? 1)
  yield* Scope.close(scope, Exit.void)
  return jobs.map(({ id }) => id)
})

const working = Effect.fnUntraced(function*<Tasks extends ReadonlyArray<JobWorker.Servable>>(
  { concurrency, queues, tasks, within }: WorkOptions<Tasks>,
  ended: (end: End) => void,
  isEnough = () => false
) {
  const withinMs = Duration.toMillis(Duration.fromInputUnsafe(within ?? "1 hour"))
  const until = (yield* Clock.currentTimeMillis) + withinMs
  const names = new Set(tasks.map(nameOf))
  const all = queues ?? (yield* queuesOf(names))
  if (all.length === 0) return
  const work = { tasks, queues: all, concurrency: concurrency ?? 1, ended, isEnough }
  if (!(yield* workOff(work, until))) return yield* new JobsNotDone({ queues: all, withinMs })
})

const nameOf = (task: JobWorker.Servable) => "task" in task ? task.task : task.name

const queuesOf = (tasks: ReadonlySet<string>) =>
  Effect.flatMap(JobStore, (store) =>
    Effect.flatMap(store.queues, (queues) =>
      Effect.filter(
        queues.map(({ name }) => name),
        (queue) => Effect.map(store.tasksOf(queue), (held) => held.some((task) => tasks.has(task)))
      )))

/** Of schedules that run beside; infinity where there are none. */
const nextTickMs = Effect.gen(function*() {
  const schedules = yield* Effect.serviceOption(ScheduleStore)
  if (schedules._tag === "None") return Number.POSITIVE_INFINITY
  const now = yield* Clock.currentTimeMillis
  // a store that cannot be asked is looked at again after the longest step
  const ticks = (yield* Effect.orElseSucceed(schedules.value.list, () => [])).flatMap(({ nextTick, paused }) =>
    nextTick === null || paused ? [] : [DateTime.toEpochMillis(nextTick) - now]
  )
  return Math.min(...ticks.filter((ms) => ms > 0))
})

const ranOf = ({ failure, job, outcome, output }: End): Ran => ({
  id: job.id,
  queue: job.queue,
  task: job.task,
  payload: job.payload,
  attempt: job.attempt,
  outcome,
  output: output ?? null,
  failure
})

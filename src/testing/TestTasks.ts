/**
 * Tasks and schedules under test: everything in memory, the clock in the test's hand.
 *
 * `layer`, `run`, `runs` and `expect` work under Effect's `TestClock` and in a simulation alike; `nodes` needs a
 * simulation: several processes that share their stores, crash and come back.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import type { CheckpointStore } from "../core/CheckpointStore.ts"
import { here } from "../core/Dispatch.ts"
import * as MemoryCheckpointStore from "../core/MemoryCheckpointStore.ts"
import * as MemoryRunLog from "../core/MemoryRunLog.ts"
import { RunLog, RunLogUnavailable, type RunQuery } from "../core/RunLog.ts"
import * as Supervisor from "../core/Supervisor.ts"
import type { Storable, Task } from "../core/Task.ts"
import type { TaskError } from "../core/TaskError.ts"
import { RunStatus, type TaskRun } from "../core/TaskRun.ts"
import { ScheduleStore, ScheduleStoreUnavailable } from "../schedule/ScheduleStore.ts"
import * as MemoryScheduleStore from "../schedule/stores/Memory.ts"
import { TaskScheduler } from "../schedule/TaskScheduler.ts"
import type { Tick } from "../schedule/Tick.ts"
import * as Faults from "./Faults.ts"
import * as RunsOfNodes from "./internal/runsOfNodes.ts"
import * as SimulatedNode from "./SimulatedNode.ts"

/**
 * A task did not end in the time that a test gave it.
 *
 * @category errors
 */
export class RunNotEnded extends Schema.TaggedError<RunNotEnded>()("RunNotEnded", {
  task: Schema.String,
  withinMs: Schema.Finite
}) {
  override get message() {
    return `task ${this.task} has not ended after ${this.withinMs} ms: give it more time with \`within\`, or look for what it waits for`
  }
}

/**
 * A run ended in another way than a test says.
 *
 * @category errors
 */
export class UnexpectedOutcome extends Schema.TaggedError<UnexpectedOutcome>()("UnexpectedOutcome", {
  task: Schema.String,
  expected: RunStatus,
  actual: RunStatus,
  failure: Schema.NullOr(Schema.String)
}) {
  override get message() {
    const why = this.failure === null ? "" : `: ${this.failure}`
    return `run of task ${this.task} is ${this.actual} and not ${this.expected}${why}`
  }
}

const stores = Layer.mergeAll(
  MemoryRunLog.layer({ retention: { runs: 100_000, age: "10000 days", details: "10000 days" } }),
  MemoryScheduleStore.layer,
  MemoryCheckpointStore.layer()
)

/**
 * All that tasks and schedules need, in memory.
 *
 * @category layers
 */
export const layer: Layer.Layer<RunLog | ScheduleStore | CheckpointStore | Supervisor.Supervisor> = Layer.merge(
  stores,
  Supervisor.layer
)

/**
 * A run that has ended.
 *
 * @category models
 */
export interface Ended<out A, out E> {
  readonly exit: Exit.Exit<A, E>
  readonly run: TaskRun
}

/**
 * Runs a task to its end and moves the clock on for as long as it takes.
 *
 * @category running
 * @example
 * ```ts
 * import { Effect, Schedule, Schema } from "effect"
 * import { TestClock } from "effect/testing"
 * import { Task } from "ostinato"
 * import { TestTasks } from "ostinato/testing"
 *
 * let calls = 0
 * const Charge = Task.fn(
 *   "docs.charge",
 *   { success: Schema.Int, error: Schema.String, retry: Schedule.spaced("10 minutes") },
 *   () => Effect.suspend(() => ++calls < 3 ? Effect.fail("card declined") : Effect.succeed(calls))
 * )
 *
 * const { run } = await TestTasks.run(Charge, {}).pipe(
 *   Effect.provide([TestTasks.layer, TestClock.layer()]),
 *   Effect.runPromise
 * )
 * run.status // => "completed"
 * run.attempts // => 3
 * run.runMs // => 20 * 60_000
 * ```
 */
export const run = Effect.fn("TestTasks.run")(
  function*<Name extends string, P extends Storable, S extends Storable, E extends Storable, R>(
    task: Task<Name, P, S, E, R>,
    payload: P["Type"],
    options?: {
      /** How long it may take, by the clock of the test. Defaults to `1 hour`. */
      readonly within?: Duration.Input | undefined
    }
  ): Effect.fn.Return<
    Ended<S["Type"], E["Type"] | TaskError>,
    RunNotEnded | RunLogUnavailable,
    R | RunLog
  > {
    const within = Duration.toMillis(Duration.fromInputUnsafe(options?.within ?? "1 hour"))
    const fiber = yield* Effect.forkChild(here(task, payload, { kind: "code" }))
    const until = (yield* Clock.currentTimeMillis) + within
    const step = Math.max(1000, within / 3600)
    yield* TestClock.adjust(0)
    while (fiber.pollUnsafe() === undefined) {
      if ((yield* Clock.currentTimeMillis) >= until) {
        yield* Effect.forkChild(Fiber.interrupt(fiber))
        yield* TestClock.adjust("1 minute")
        return yield* new RunNotEnded({ task: task.name, withinMs: within })
      }
      yield* TestClock.adjust(step)
    }
    const { await: result, id } = yield* Fiber.join(fiber)
    const exit = yield* Effect.exit(result)
    const record = yield* Effect.flatMap(RunLog, (log) => log.get(id))
    if (record === null) return yield* Effect.die(new Error(`run ${id} is not in the log`))
    return { exit, run: record }
  }
)

/**
 * All recorded runs, oldest first.
 *
 * @category reading
 */
export const runs = Effect.fn("TestTasks.runs")(function*(
  query?: Omit<RunQuery, "before" | "limit">
): Effect.fn.Return<ReadonlyArray<TaskRun>, RunLogUnavailable, RunLog> {
  const log = yield* RunLog
  const all: Array<TaskRun> = []
  let page: ReadonlyArray<TaskRun> = yield* log.list({ limit: 200 })
  while (page.length > 0) {
    all.push(...page)
    page = yield* log.list({ limit: 200, before: page.at(-1)?.id })
  }
  const { status, task, tenant } = query ?? {}
  return all.reverse().filter((run) =>
    (status === undefined || run.status === status) && (task === undefined || run.task === task) &&
    (tenant === undefined || run.origin.tenant === tenant)
  )
})

/**
 * Fails, and says why, unless the run is in this state.
 *
 * @category reading
 */
export const expect = (run: TaskRun, status: RunStatus): Effect.Effect<void, UnexpectedOutcome> =>
  run.status === status
    ? Effect.void
    : Effect.fail(
      new UnexpectedOutcome({
        task: run.task,
        expected: status,
        actual: run.status,
        failure: run.failure?.message ?? null
      })
    )

/**
 * Several processes with one set of stores.
 *
 * @category models
 */
export interface Nodes {
  readonly all: ReadonlyArray<SimulatedNode.SimulatedNode>
  /** All runs of all nodes, oldest first. Those that were open when their node crashed are `abandoned`. */
  readonly runs: Effect.Effect<ReadonlyArray<TaskRun>>
  /** The ticks of a schedule, oldest first. */
  readonly ticks: (schedule: string) => Effect.Effect<ReadonlyArray<Tick>>
  /** Nothing goes wrong any more: no crash, no fault; nodes that are down come back. */
  readonly calm: Effect.Effect<void>
  /** Stops all nodes, as a signal would. */
  readonly stop: Effect.Effect<void>
}

/**
 * Starts several processes, each with a scheduler of its own, on stores that they share. Each builds the Layer anew when
 * it starts.
 *
 * @category running
 * @example
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { Dispatch, Task } from "ostinato"
 * import { PeriodicTask, TaskScheduler, Timetable } from "ostinato/schedule"
 * import { Simulation, TestTasks } from "ostinato/testing"
 *
 * const Bill = Task.make("docs.bill")
 * const Daily = PeriodicTask.make("docs.daily", {
 *   timetable: Timetable.every("1 day", { anchor: "fixed" }),
 *   task: Bill,
 *   payload: {},
 *   dispatch: Dispatch.here
 * })
 *
 * const property = Effect.gen(function*() {
 *   let bills = 0
 *   const handler = Bill.toLayer(() => Effect.andThen(Effect.sleep("1 minute"), Effect.sync(() => bills++)))
 *   const nodes = yield* TestTasks.nodes(
 *     TaskScheduler.layer([Daily], { poll: "1 hour" }).pipe(Layer.provide(handler)),
 *     { nodes: 2, crashes: { every: "3 days", down: "12 hours" } }
 *   )
 *   yield* Effect.sleep("30 days")
 *   yield* nodes.calm
 *   yield* Effect.sleep("1 day")
 *   return bills <= 31 && (yield* nodes.ticks("docs.daily")).length >= 25
 * })
 *
 * await Effect.runPromise(Simulation.check("bills once a day", property, { seeds: 5 })) // => { tried: 5 }
 * ```
 */
export const nodes = Effect.fnUntraced(function*<E, R>(
  layer: Layer.Layer<TaskScheduler, E, R>,
  options?: {
    /** How many. Defaults to 3. */
    readonly nodes?: number | undefined
    /** Crashes by chance: the longest time between two, and the longest time down. Defaults to none. */
    readonly crashes?: { readonly every: Duration.Input; readonly down: Duration.Input } | undefined
    /** Where schedules keep their place, instead of in memory. */
    readonly schedules?: Layer.Layer<ScheduleStore> | undefined
    /** Faults of the stores. Defaults to none. */
    readonly faults?: Faults.Rates | undefined
  }
) {
  const faults = yield* Layer.build(Faults.layer(options?.faults ?? {}))
  const shared = yield* Layer.build(
    options?.schedules === undefined ? stores : Layer.merge(stores, options.schedules)
  )
  const schedules = yield* Effect.provideContext(ScheduleStore, shared)
  const runsOfNodes = RunsOfNodes.make(yield* Effect.provideContext(RunLog, shared))
  const log = runsOfNodes.of(() => true)
  const faulty = <S extends object>(service: S, name: string, unavailable: (operation: string) => Faults.ErrorOf<S>) =>
    Effect.provideContext(Faults.around(service, { name, unavailable }), faults)
  const detail = "simulated"

  const program = Effect.fnUntraced(function*(isAlive: () => boolean) {
    const own = Layer.mergeAll(
      Layer.effect(
        RunLog,
        faulty(runsOfNodes.of(isAlive), "RunLog", (operation) => new RunLogUnavailable({ operation, detail }))
      ),
      Layer.effect(
        ScheduleStore,
        faulty(schedules, "ScheduleStore", (operation) => new ScheduleStoreUnavailable({ operation, detail }))
      ),
      Supervisor.layer
    )
    const services = yield* Layer.build(Layer.fresh(layer.pipe(Layer.provide(own))))
    yield* Effect.flatMap(Effect.provideContext(TaskScheduler, services), (scheduler) => scheduler.start)
  })
  const all = yield* Effect.forEach(
    Array.from({ length: options?.nodes ?? 3 }, (_, at) => `${at + 1}`),
    (name) =>
      Effect.provideContext(SimulatedNode.make(name, program, { down: options?.crashes?.down ?? "1 minute" }), shared)
  )
  const startAll = Effect.forEach(all, (node) => node.start, { discard: true })
  yield* startAll
  const crashes = options?.crashes === undefined
    ? undefined
    : yield* Effect.forkScoped(SimulatedNode.crashing(all, options.crashes))

  const made: Nodes = {
    all,
    runs: Effect.orDie(Effect.provideService(runs(), RunLog, log)),
    ticks: (schedule) =>
      Effect.orDie(Effect.map(schedules.ticks(schedule, Number.MAX_SAFE_INTEGER), (ticks) => [...ticks].reverse())),
    calm: Effect.gen(function*() {
      if (crashes !== undefined) yield* Fiber.interrupt(crashes)
      yield* Effect.provideContext(Faults.calm, faults)
      yield* Effect.forEach(all, (node) => node.resume, { discard: true })
      yield* startAll
    }),
    stop: Effect.forEach(all, (node) => node.stop, { concurrency: "unbounded", discard: true })
  }
  return made
})

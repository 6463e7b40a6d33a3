/**
 * Starts the runs of schedules when they are due, and whenever somebody asks.
 *
 *   stopped --start--> running --stop--> stopping --drained--> stopped
 *   with `enabled: false` no tick fires: disabled --start--> disabled --stop--> stopping --drained--> disabled
 *
 * Every schedule has a supervised loop of its own: decide in one transaction, commit, run outside of it, sleep until
 * the next instant. No instant is decided twice, whatever the number of nodes, and none is forgotten: after a restart or
 * an outage of the store it is fired or passed over as the missed policy says. A tick whose process died before its
 * work began is run by another; one whose work had begun shows as abandoned. A run that fails, dies or times out does
 * not stop later ones. `stop` waits for work in flight, up to the drain limit and the grace.
 */
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Schema from "effect/Schema"
import type * as Drain from "../core/Drain.ts"
import type { Supervisor } from "../core/Supervisor.ts"
import type { Trigger } from "../core/TaskRun.ts"
import { make } from "./internal/scheduler.ts"
import type { PeriodicTask, Schedulable } from "./PeriodicTask.ts"
import type { Missed, Overlap } from "./SchedulePolicy.ts"
import type { ScheduleInCode, ScheduleInvalid, SchedulerNotRunning } from "./ScheduleRefused.ts"
import type {
  Schedule,
  ScheduleNotFound,
  ScheduleStore,
  ScheduleStoreUnavailable,
  ScheduleTaken
} from "./ScheduleStore.ts"
import type { TickKey } from "./Tick.ts"
import type { Cron, Every, Spaced } from "./Timetable.ts"

/**
 * `stopping` accepts no new work and waits for what is in flight. `disabled` fires no tick, but runs what somebody asks for.
 *
 * @category models
 */
export type Status = "running" | "stopping" | "stopped" | "disabled"

/**
 * What became of the work that was in flight when a stop was asked for, by schedule.
 *
 * @category models
 */
export interface Report extends Drain.Report {
  /** Whatever did not end by itself in time: interrupted or abandoned. */
  readonly timedOut: ReadonlyArray<string>
}

/**
 * What came of asking for a run.
 *
 * @category models
 */
export interface RunNow extends TickKey {
  /** `waiting`: it runs when earlier work has ended, on whichever node is first. */
  readonly decision: "started" | "waiting" | "skipped"
  /** Why it was skipped. */
  readonly reason: string | null
  /** When the work has ended that this call started, if any. */
  readonly ended: Effect.Effect<void>
}

/**
 * A schedule that is made or changed while the application runs.
 *
 * @category models
 */
export interface StoredSchedule {
  readonly name: string
  /** Name of a task that `layer` was given as schedulable. */
  readonly task: string
  /** In its JSON form. Defaults to an empty object. */
  readonly payload?: Schema.Json | undefined
  readonly timetable: Every | Cron | Spaced
  /** Defaults to `skip`. */
  readonly overlap?: Overlap | undefined
  /** Defaults to `last`. */
  readonly missed?: Missed | undefined
  /** Defaults to none. */
  readonly jitter?: Duration.Input | undefined
}

/**
 * What is asked in the name of a tenant (`RunContext.within`) sees and touches the schedules of that tenant only.
 *
 * @category services
 */
export class TaskScheduler extends Context.Service<TaskScheduler, {
  /** Begins to fire. Returns before any work has run. While running it only warns. */
  readonly start: Effect.Effect<void>
  /** Ends intake and waits for work in flight. While stopped it does nothing. */
  readonly stop: Effect.Effect<Report>
  readonly status: Effect.Effect<Status>
  /** Whether ticks fire, or work of such ticks is being waited for. */
  readonly isRunning: Effect.Effect<boolean>
  /**
   * Runs a schedule now, as its overlap policy allows; the timetable does not move. Also while it is paused. The trigger
   * defaults to `code`.
   */
  readonly runNow: (name: string, options?: { readonly trigger?: Trigger | undefined }) => Effect.Effect<
    RunNow,
    ScheduleNotFound | SchedulerNotRunning | ScheduleStoreUnavailable
  >
  /** Fires no tick until `resume`, on no node, also after a restart. Work in flight goes on. */
  readonly pause: (name: string) => Effect.Effect<void, ScheduleNotFound | ScheduleStoreUnavailable>
  /** Goes on with the next tick. What came during the pause is not made up for. */
  readonly resume: (name: string) => Effect.Effect<void, ScheduleNotFound | ScheduleStoreUnavailable>
  /** The next instants of a schedule, without jitter; none while it is paused. */
  readonly upcoming: (name: string, count: number) => Effect.Effect<
    ReadonlyArray<DateTime.Utc>,
    ScheduleNotFound | ScheduleStoreUnavailable
  >
  readonly list: Effect.Effect<ReadonlyArray<Schedule>, ScheduleStoreUnavailable>
  /**
   * Makes a schedule, or changes one that was made like this; for the tenant in whose name it is called. Takes effect on
   * every node within its poll.
   */
  readonly save: (schedule: StoredSchedule) => Effect.Effect<
    Schedule,
    ScheduleInvalid | ScheduleTaken | ScheduleStoreUnavailable
  >
  /** Deletes a schedule that was made like this, or one that no code has any more. Work in flight goes on. */
  readonly remove: (name: string) => Effect.Effect<void, ScheduleNotFound | ScheduleInCode | ScheduleStoreUnavailable>
}>()("ostinato/schedule/TaskScheduler") {}

/**
 * @category models
 */
export interface Options<out R> {
  /** `false`: no tick fires in this process. Defaults to `true`. */
  readonly enabled?: boolean | undefined
  /** Tasks for which schedules may be made while the application runs. Defaults to none. */
  readonly schedulable?: ReadonlyArray<Schedulable<R>> | undefined
  /** How long `stop` waits for work in flight before it interrupts. Defaults to `25 seconds`. */
  readonly drain?: Duration.Input | undefined
  /** How long interrupted work may take for its finalizers. Defaults to `3 seconds`. */
  readonly grace?: Duration.Input | undefined
  /**
   * The longest time between two looks at the store: how long a change made on another node may take to be seen here, and
   * how late a tick may be when a clock was set or the machine slept. Defaults to what the store says: 1 minute in memory,
   * 5 seconds on Postgres.
   */
  readonly poll?: Duration.Input | undefined
}

/**
 * The scheduler of these periodic tasks. It is stopped with its scope; it does not start by itself.
 *
 * @category layers
 * @example
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { Dispatch, MemoryRunLog, Supervisor, Task } from "ostinato"
 * import { MemoryScheduleStore, PeriodicTask, TaskScheduler, Timetable } from "ostinato/schedule"
 *
 * const Tidy = Task.fn("docs.tidy", {}, () => Effect.void)
 * const nightly = PeriodicTask.make("docs.nightly", {
 *   timetable: Timetable.cronUnsafe("0 2 * * *", { timeZone: "Europe/Berlin" }),
 *   task: Tidy,
 *   payload: {},
 *   dispatch: Dispatch.here
 * })
 * const Live = TaskScheduler.layer([nightly]).pipe(
 *   Layer.provide([MemoryScheduleStore.layer, MemoryRunLog.layer(), Supervisor.layer])
 * )
 *
 * const program = Effect.gen(function*() {
 *   const scheduler = yield* TaskScheduler.TaskScheduler
 *   yield* scheduler.start
 *   const { decision, ended } = yield* scheduler.runNow("docs.nightly")
 *   yield* ended
 *   return decision
 * })
 *
 * await Effect.runPromise(Effect.provide(program, Live)) // => "started"
 * ```
 */
export const layer = <R>(
  schedules: ReadonlyArray<PeriodicTask<R>>,
  options?: Options<R>
): Layer.Layer<TaskScheduler, never, ScheduleStore | Supervisor | R> =>
  Layer.effect(TaskScheduler, Effect.map(make(schedules, options ?? {}), (service) => TaskScheduler.of(service)))

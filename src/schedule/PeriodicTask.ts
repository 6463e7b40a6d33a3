/**
 * A task that a timetable starts, and tasks for which timetables may be made while the application runs.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Dispatch, RunRef } from "../core/Dispatch.ts"
import * as RunGate from "../core/RunGate.ts"
import { type Any, decodePayload } from "../core/Task.ts"
import type { PayloadInvalid } from "../core/TaskError.ts"
import type { Trigger } from "../core/TaskRun.ts"
import { type Missed, type Overlap, problemOf, type SchedulePolicy } from "./SchedulePolicy.ts"
import { ScheduleInvalid } from "./ScheduleRefused.ts"
import type { Timetable } from "./Timetable.ts"

export type { Missed, Overlap } from "./SchedulePolicy.ts"

/**
 * @category models
 */
export interface PeriodicTask<out R> {
  readonly name: string
  readonly task: string
  readonly timetable: Timetable
  readonly runOnStart: boolean
  readonly policy: SchedulePolicy
  readonly mode: Mode
  readonly dispatch: (trigger: Trigger) => Effect.Effect<RunRef<unknown, unknown>, unknown, R>
}

/**
 * How a tick becomes a run. `run`: the tick is committed, then its work runs under a lease. `enqueue`: the dispatch only
 * records the run, in the transaction of the tick, so that both are there or neither is; the tick ends with it.
 *
 * @category models
 */
export type Mode = "run" | "enqueue"

/**
 * Binds a task to a timetable. Throws `ScheduleInvalid` where a rule is not allowed: no store could keep it.
 *
 * @category constructors
 * @example
 * ```ts
 * import { Dispatch, Task } from "ostinato"
 * import { PeriodicTask, Timetable } from "ostinato/schedule"
 *
 * const Tidy = Task.make("docs.tidy")
 * const Nightly = PeriodicTask.make("docs.nightly", {
 *   timetable: Timetable.every("1 day"),
 *   task: Tidy,
 *   payload: {},
 *   dispatch: Dispatch.here
 * })
 *
 * Nightly.policy // => { overlap: "skip", missed: "last", jitterMs: 0 }
 * ```
 */
export const make = <T extends Any, E, R>(name: string, options: {
  readonly timetable: Timetable
  readonly task: T
  readonly payload: NoInfer<T["payload"]["Type"]>
  /** Where the runs go, e.g. `Dispatch.here`. */
  readonly dispatch: Dispatch<T, E, R>
  /**
   * `enqueue` for a dispatch that hands over to a queue in the same database. The overlap policy then has nothing to look
   * at: the queue's unique key says whether a second job is made. Defaults to `run`.
   */
  readonly mode?: Mode | undefined
  /** One extra run at every start of the scheduler, unless a tick is due then. The timetable does not move. Defaults to `false`. */
  readonly runOnStart?: boolean | undefined
  /** `{ allow: n }` with n from 1 to 1000. Defaults to `skip`. */
  readonly overlap?: Overlap | undefined
  /** `{ all: n }` with n from 1 to 1000. Defaults to `last`. */
  readonly missed?: Missed | undefined
  /**
   * How much later than its instant a tick may run, drawn anew for each tick by `Random`; at most 24 days. Defaults to
   * none.
   */
  readonly jitter?: Duration.Input | undefined
}): PeriodicTask<R> => {
  const rules = policy(options)
  const detail = problemOf(rules)
  if (detail !== undefined) throw new ScheduleInvalid({ name, detail })
  return {
    name,
    task: options.task.name,
    timetable: options.timetable,
    runOnStart: options.runOnStart ?? false,
    policy: rules,
    mode: options.mode ?? "run",
    dispatch: RunGate.like(
      options.dispatch,
      (trigger: Trigger) => options.dispatch(options.task, options.payload, trigger)
    )
  }
}

/**
 * A task for which schedules may be made while the application runs.
 *
 * @category models
 */
export interface Schedulable<out R> {
  readonly task: string
  readonly mode: Mode
  /** Whether the task takes this payload, given in its JSON form. */
  readonly check: (payload: unknown) => Effect.Effect<void, PayloadInvalid>
  readonly dispatch: (payload: unknown, trigger: Trigger) => Effect.Effect<RunRef<unknown, unknown>, unknown, R>
}

/**
 * Lets schedules of a task be made while the application runs.
 *
 * @category constructors
 * @example
 * ```ts
 * import { Dispatch, Task } from "ostinato"
 * import { PeriodicTask } from "ostinato/schedule"
 *
 * const Tidy = Task.make("docs.tidy")
 *
 * PeriodicTask.schedulable(Tidy, Dispatch.here).mode // => "run"
 * ```
 */
export const schedulable = <T extends Any, E, R>(
  task: T,
  dispatch: Dispatch<T, E, R>,
  options?: {
    /** Defaults to `run`. */
    readonly mode?: Mode | undefined
  }
): Schedulable<R> => ({
  task: task.name,
  mode: options?.mode ?? "run",
  check: (payload) => Effect.asVoid(decodePayload(task, payload)),
  dispatch: RunGate.like(
    dispatch,
    (payload: unknown, trigger: Trigger) =>
      Effect.flatMap(decodePayload(task, payload), (decoded) => dispatch(task, decoded, trigger))
  )
})

/**
 * The rules of a schedule, with their defaults: `skip`, `last`, no jitter.
 *
 * @category constructors
 */
export const policy = (options: {
  readonly overlap?: Overlap | undefined
  readonly missed?: Missed | undefined
  readonly jitter?: Duration.Input | undefined
}): SchedulePolicy => ({
  overlap: options.overlap ?? "skip",
  missed: options.missed ?? "last",
  jitterMs: Math.round(Duration.toMillis(Duration.fromInputUnsafe(options.jitter ?? 0)))
})

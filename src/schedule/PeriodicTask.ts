/**
 * A task that a timetable starts.
 */
import type * as DateTime from "effect/DateTime"
import type * as Effect from "effect/Effect"
import type { Dispatch, RunRef } from "../core/Dispatch.ts"
import type { Any } from "../core/Task.ts"
import type { Trigger } from "../core/TaskRun.ts"
import type { Advance, Schedule } from "./ScheduleStore.ts"
import { due, type Every } from "./Timetable.ts"

/**
 * What happens to a tick that is due while earlier work of the schedule has not ended: `skip` records it as skipped,
 * `{ allow: n }` lets up to `n` run at once.
 *
 * @category models
 */
export type Overlap = "skip" | { readonly allow: number }

/**
 * What happens to ticks that were missed, while no process ran for instance: `last` fires one for all of them, `skip`
 * none, `{ all: n }` each of the newest `n`, oldest first and no more at once than the overlap policy allows.
 *
 * @category models
 */
export type Missed = "last" | "skip" | { readonly all: number }

/**
 * @category models
 */
export interface PeriodicTask<out R> {
  readonly name: string
  readonly task: string
  readonly timetable: Every
  readonly runOnStart: boolean
  readonly overlap: Overlap
  readonly missed: Missed
  readonly dispatch: (trigger: Trigger) => Effect.Effect<RunRef<unknown, unknown>, unknown, R>
}

/**
 * Binds a task to a timetable.
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
 * Nightly.missed // => "last"
 * ```
 */
export const make = <T extends Any, E, R>(name: string, options: {
  readonly timetable: Every
  readonly task: T
  readonly payload: NoInfer<T["payload"]["Type"]>
  /** Where the runs go, e.g. `Dispatch.here`. */
  readonly dispatch: Dispatch<T, E, R>
  /** One extra run at every start of the scheduler, unless a tick is due then. The timetable does not move. Defaults to `false`. */
  readonly runOnStart?: boolean | undefined
  /** Defaults to `skip`. */
  readonly overlap?: Overlap | undefined
  /** Defaults to `last`. */
  readonly missed?: Missed | undefined
}): PeriodicTask<R> => ({
  name,
  task: options.task.name,
  timetable: options.timetable,
  runOnStart: options.runOnStart ?? false,
  overlap: options.overlap ?? "skip",
  missed: options.missed ?? "last",
  dispatch: (trigger) => options.dispatch(options.task, options.payload, trigger)
})

/**
 * What a periodic task does now: the pure decision behind every tick.
 *
 * @category combinators
 */
export const plan = (
  periodic: Pick<PeriodicTask<never>, "timetable" | "overlap" | "missed">,
  atStart: boolean
) =>
(schedule: Schedule, now: DateTime.Utc): Advance => {
  const limit = typeof periodic.missed === "object" ? Math.max(1, periodic.missed.all) : 1
  const instants = due(
    periodic.timetable,
    { nextTick: schedule.nextTick, progress: { phase: "waiting", tick: null, steps: null } },
    now,
    limit
  )
  const wanted = periodic.missed === "skip" && instants.late ? [] : instants.due
  const ticks = wanted.length === 0 && atStart ? [now] : wanted
  const capacity = periodic.overlap === "skip" ? 1 : Math.max(1, periodic.overlap.allow)
  const free = Math.max(0, capacity - schedule.open)
  return {
    fire: free > 0 ? ticks : [],
    skip: free > 0 ? [] : ticks,
    reason: `overlap: ${schedule.open} earlier tick(s) still open`,
    nextTick: instants.place.nextTick ?? schedule.nextTick,
    atOnce: Math.max(1, free)
  }
}

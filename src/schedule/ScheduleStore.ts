/**
 * Where schedules keep their place in time.
 *
 * A driver promises: a tick is a row (schedule, instant) that exists at most once, whatever the number of nodes; the
 * place of a schedule moves in the same transaction as its ticks are written, so a crash loses none; the only clock is
 * the store's. No lock is held while a tick's work runs: an unfinished tick is held by a lease, and one whose lease has
 * run out is closed as abandoned. Drivers: `stores/Memory`, `stores/Postgres`.
 */
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Every } from "./Timetable.ts"

/**
 * The store could not be read or written.
 *
 * @category errors
 */
export class ScheduleStoreUnavailable
  extends Schema.TaggedError<ScheduleStoreUnavailable>()("ScheduleStoreUnavailable", {
    operation: Schema.String,
    detail: Schema.String
  })
{
  override get message() {
    return `schedules: ${this.operation} failed: ${this.detail}`
  }
}

/**
 * A schedule as the store keeps it.
 *
 * @category models
 */
export class Schedule extends Schema.Class<Schedule>("ostinato/schedule/ScheduleStore/Schedule")({
  name: Schema.String,
  task: Schema.String,
  timetable: Every,
  /** The newest instant that was decided, fired or not. */
  lastTick: Schema.NullOr(Schema.DateTimeUtc),
  nextTick: Schema.DateTimeUtc,
  /** Ticks whose work has not ended and whose lease still holds. */
  open: Schema.Int
}) {}

/**
 * How the work of a tick ended.
 *
 * @category models
 */
export const TickOutcome = Schema.Literals(["completed", "failed", "skipped", "abandoned"])

/**
 * @category models
 */
export type TickOutcome = typeof TickOutcome.Type

/**
 * One due instant of a schedule.
 *
 * @category models
 */
export interface TickKey {
  readonly schedule: string
  readonly tick: DateTime.Utc
}

/**
 * A tick as the store keeps it.
 *
 * @category models
 */
export interface Tick extends TickKey {
  readonly outcome: TickOutcome | null
  /** Why it was skipped or failed. */
  readonly detail: string | null
}

/**
 * What to write: the instants to fire, those to record as skipped and why, and where the schedule stands then.
 *
 * @category models
 */
export interface Advance {
  readonly fire: ReadonlyArray<DateTime.Utc>
  readonly skip: ReadonlyArray<DateTime.Utc>
  readonly reason: string
  readonly nextTick: DateTime.Utc
  /** How many of the fired ticks may run at the same time. */
  readonly atOnce: number
}

/**
 * What a decision led to.
 *
 * @category models
 */
export interface Advanced {
  readonly fired: ReadonlyArray<TickKey>
  readonly skipped: number
  readonly wait: Duration.Duration
  /** As the decision said. */
  readonly atOnce: number
}

/**
 * @category services
 */
export class ScheduleStore extends Context.Service<ScheduleStore, {
  /**
   * Makes a schedule known. New: its first tick is one interval from now. Known: it keeps its place, unless its
   * timetable changed, and then its next tick is one new interval after its last one, or now if that is past.
   */
  readonly register: (definition: {
    readonly name: string
    readonly task: string
    readonly timetable: Every
  }) => Effect.Effect<Schedule, ScheduleStoreUnavailable>
  /**
   * Decides on a schedule in one transaction: `plan` sees it and the store's clock; what it answers is written. Gives
   * the ticks that are new and so the caller's to run, oldest first, how many were skipped, and the time until the next one. `plan` must be pure.
   */
  readonly advance: (name: string, plan: (schedule: Schedule, now: DateTime.Utc) => Advance) => Effect.Effect<
    Advanced,
    ScheduleStoreUnavailable
  >
  /** Keeps the leases of running ticks. */
  readonly renew: (ticks: ReadonlyArray<TickKey>) => Effect.Effect<void, ScheduleStoreUnavailable>
  /** Closes a tick. A tick that is closed already stays as it is. */
  readonly finish: (
    tick: TickKey,
    outcome: TickOutcome,
    detail: string | null
  ) => Effect.Effect<void, ScheduleStoreUnavailable>
  readonly list: Effect.Effect<ReadonlyArray<Schedule>, ScheduleStoreUnavailable>
  /** The newest ticks of a schedule, newest first. */
  readonly ticks: (name: string, limit: number) => Effect.Effect<ReadonlyArray<Tick>, ScheduleStoreUnavailable>
}>()("ostinato/schedule/ScheduleStore") {}

/**
 * Where schedules keep their place in time.
 *
 * A driver promises: a tick is a row (schedule, instant) that exists at most once, whatever the number of nodes; the
 * place of a schedule moves in the same transaction as its ticks are written, so a crash loses none; the only clock is
 * the store's. No lock is held while a tick's work runs: a tick in work is held by a lease. When that has run out, a
 * tick that had not begun waits again, and one that had is closed as abandoned. Every write to a claimed tick carries
 * the number of its claim. Drivers: `stores/Memory`, `stores/Postgres`.
 */
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { SchedulePolicy } from "./SchedulePolicy.ts"
import type { Asked, Claim, Tick, TickKey, TickOutcome, Unfinished } from "./Tick.ts"
import * as Timetable from "./Timetable.ts"

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
 * There is no such schedule.
 *
 * @category errors
 */
export class ScheduleNotFound extends Schema.TaggedError<ScheduleNotFound>()("ScheduleNotFound", {
  name: Schema.String
}) {
  override get message() {
    return `there is no schedule "${this.name}": it was never registered, or it was deleted`
  }
}

/**
 * The name belongs to a schedule of another kind or of another tenant.
 *
 * @category errors
 */
export class ScheduleTaken extends Schema.TaggedError<ScheduleTaken>()("ScheduleTaken", { name: Schema.String }) {
  override get message() {
    return `the name "${this.name}" belongs to another schedule: choose another one`
  }
}

/**
 * Where a schedule comes from: the code of an application, or somebody who made it while the application ran.
 *
 * @category models
 */
export const Source = Schema.Literals(["code", "stored"])

/**
 * A schedule as the store keeps it.
 *
 * @category models
 */
export class Schedule extends Schema.Class<Schedule>("ostinato/schedule/ScheduleStore/Schedule")({
  name: Schema.String,
  task: Schema.String,
  source: Source,
  tenant: Schema.NullOr(Schema.String),
  timetable: Timetable.Stored,
  policy: SchedulePolicy,
  /** Of a stored schedule, in its JSON form. */
  payload: Schema.NullOr(Schema.Json),
  paused: Schema.Boolean,
  /** No living process has its code, or knows its task: it does not fire. */
  orphaned: Schema.Boolean,
  /** Rises with every change of the definition and with pause and resume. */
  revision: Schema.Int,
  /** The newest instant that was decided, fired or not. */
  lastTick: Schema.NullOr(Schema.DateTimeUtc),
  ...Timetable.Place.fields,
  /** How much later than `nextTick` it runs; null until that is drawn. */
  delayMs: Schema.NullOr(Schema.Int),
  /** Ticks in work whose lease still holds. */
  open: Schema.Int,
  /** Ticks that wait for the end of earlier ones, or whose process is gone. */
  waiting: Schema.Int
}) {}

/**
 * @category models
 */
export interface Definition {
  readonly name: string
  readonly task: string
  readonly timetable: Timetable.Timetable
  readonly policy: SchedulePolicy
  readonly source: typeof Source.Type
  readonly tenant: string | null
  readonly payload: Schema.Json | null
}

/**
 * What a decision sees.
 *
 * @category models
 */
export interface Situation {
  readonly schedule: Schedule
  /** Oldest first. */
  readonly unfinished: ReadonlyArray<Unfinished>
  /** By the clock of the store. */
  readonly now: DateTime.Utc
}

/**
 * What to write.
 *
 * @category models
 */
export interface Advance {
  /** New ticks; they wait unless they are in `start` too. */
  readonly record: ReadonlyArray<{ readonly tick: DateTime.Utc; readonly asked: Asked | null }>
  /** New or waiting ticks that will not run. */
  readonly skip: ReadonlyArray<{ readonly tick: DateTime.Utc; readonly reason: string }>
  /** Waiting ticks that the caller takes. */
  readonly start: ReadonlyArray<DateTime.Utc>
  /** Ticks in work that are asked to stop. */
  readonly stop: ReadonlyArray<DateTime.Utc>
  /** Ticks in work that are given up. */
  readonly abandon: ReadonlyArray<DateTime.Utc>
  /** Where the schedule stands then. */
  readonly place: Timetable.Place
  readonly delayMs: number | null
  readonly paused: boolean
  /** When to decide again, if nothing happens before. */
  readonly wakeAt: DateTime.Utc
}

/**
 * What a decision led to.
 *
 * @category models
 */
export interface Advanced<out P extends Advance> {
  /** As it was before. */
  readonly schedule: Schedule
  readonly plan: P
  /** The ticks that are the caller's to run, oldest first. */
  readonly started: ReadonlyArray<Claim>
  readonly skipped: number
  /** Ticks that ended in the same transaction. */
  readonly enqueued: number
  readonly wait: Duration.Duration
}

/**
 * Records the run of a tick elsewhere, in the transaction of the tick; nothing where the tick is to be run.
 *
 * @category models
 */
export interface Enqueue {
  (claim: Claim, schedule: Schedule): Effect.Effect<unknown, unknown> | undefined
}

/**
 * @category services
 */
export class ScheduleStore extends Context.Service<ScheduleStore, {
  /**
   * Makes a schedule known, or changes it. New: its first tick is the first of its timetable from now. Known: it keeps
   * its place, its pause and its ticks; a changed timetable goes on from where the old one stood.
   */
  readonly register: (definition: Definition) => Effect.Effect<Schedule, ScheduleStoreUnavailable | ScheduleTaken>
  /** Forgets a schedule with its ticks. Work that is under way goes on. `false`: there was none. */
  readonly remove: (name: string) => Effect.Effect<boolean, ScheduleStoreUnavailable>
  /**
   * Decides on a schedule in one transaction: `plan` sees it and the store's clock; what it answers is written. `plan`
   * only computes; where it dies nothing is written. With `enqueue` the ticks that it starts are handed over and closed in the
   * same transaction; what fails to be handed over leaves nothing behind and closes its tick as failed.
   */
  readonly advance: <P extends Advance>(
    name: string,
    plan: (situation: Situation) => Effect.Effect<P>,
    enqueue?: Enqueue
  ) => Effect.Effect<
    Advanced<P>,
    ScheduleStoreUnavailable | ScheduleNotFound
  >
  /**
   * The work of a claimed tick is about to begin. `false`: the claim was lost, so it must not. Asked again because an answer
   * was lost, it says the same.
   */
  readonly begin: (claim: Claim) => Effect.Effect<boolean, ScheduleStoreUnavailable>
  /** Lets a tick wait again whose work has certainly not begun. */
  readonly release: (claim: Claim) => Effect.Effect<void, ScheduleStoreUnavailable>
  /** Keeps the leases of ticks in work, and tells which of them were lost and which are asked to stop. */
  readonly renew: (claims: ReadonlyArray<Claim>) => Effect.Effect<
    { readonly lost: ReadonlyArray<TickKey>; readonly stop: ReadonlyArray<TickKey> },
    ScheduleStoreUnavailable
  >
  /**
   * Closes a tick. One that is closed already stays as it is. Tells whether the schedule has something to decide now: ticks
   * wait, or its timetable counts from the end of a run.
   */
  readonly finish: (
    claim: Claim,
    outcome: TickOutcome,
    detail: string | null
  ) => Effect.Effect<boolean, ScheduleStoreUnavailable>
  /**
   * All schedules by name and the time, in one look. Those in `mine` are known to a living process for as long as
   * `hold` says.
   */
  readonly look: (mine: ReadonlyArray<string>, hold: Duration.Input) => Effect.Effect<
    { readonly schedules: ReadonlyArray<Schedule>; readonly now: DateTime.Utc },
    ScheduleStoreUnavailable
  >
  /** How often to look for what changed elsewhere, where a scheduler is not told: as seldom as the store's reach allows. */
  readonly poll: Duration.Duration
  /** All schedules by name. */
  readonly list: Effect.Effect<ReadonlyArray<Schedule>, ScheduleStoreUnavailable>
  /** The newest ticks of a schedule, newest first. */
  readonly ticks: (name: string, limit: number) => Effect.Effect<ReadonlyArray<Tick>, ScheduleStoreUnavailable>
}>()("ostinato/schedule/ScheduleStore") {}

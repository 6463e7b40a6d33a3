/**
 * When a schedule is due.
 *
 * Pure: a timetable computes instants from the state that a `ScheduleStore` keeps, never from the clock of this
 * process, so a restart neither loses nor doubles a tick.
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/**
 * When a schedule is due: at every multiple of an interval.
 *
 * `anchor` decides what follows a late tick: with `lastRun` the next one comes a whole interval after it ran, with
 * `fixed` the instants stay where the first one put them.
 *
 * @category models
 */
export const Timetable = Schema.TaggedStruct("Every", {
  /** Milliseconds, at least 1. Longer than 24.8 days is fine. */
  everyMs: Schema.Int.check(Schema.isGreaterThan(0)),
  anchor: Schema.Literals(["lastRun", "fixed"])
})

/**
 * @category models
 */
export type Timetable = typeof Timetable.Type

/**
 * A text that is no timetable.
 *
 * @category errors
 */
export class InvalidTimetable extends Schema.TaggedError<InvalidTimetable>()("InvalidTimetable", {
  text: Schema.String
}) {
  override get message() {
    return `"${this.text}" is no interval: write seconds (1209600), words ("2 weeks", "5 minutes") or ISO-8601 (P14D, PT5M)`
  }
}

/**
 * Due at every multiple of an interval.
 *
 * @category constructors
 * @example
 * ```ts
 * import { Timetable } from "ostinato/schedule"
 *
 * Timetable.every("2 weeks").everyMs // => 1_209_600_000
 * ```
 */
export const every = (interval: Duration.Input, options?: {
  /** Defaults to `lastRun`. */
  readonly anchor?: Timetable["anchor"] | undefined
}): Timetable =>
  Timetable.make({
    everyMs: Math.round(Duration.toMillis(Duration.fromInputUnsafe(interval))),
    anchor: options?.anchor ?? "lastRun"
  })

/**
 * Reads an interval: seconds, words or ISO-8601. Calendar parts whose length varies (months, years) are refused.
 *
 * @category constructors
 * @example
 * ```ts
 * import { Result } from "effect"
 * import { Timetable } from "ostinato/schedule"
 *
 * Result.map(Timetable.parse("5 minutes"), (timetable) => timetable.everyMs) // => Result.succeed(300_000)
 * Result.isFailure(Timetable.parse("abc")) // => true
 * ```
 */
export const parse = (text: string): Result.Result<Timetable, InvalidTimetable> => {
  const everyMs = milliseconds(text.trim())
  return everyMs !== undefined && Number.isSafeInteger(everyMs) && everyMs > 0
    ? Result.succeed(Timetable.make({ everyMs, anchor: "lastRun" }))
    : Result.fail(new InvalidTimetable({ text }))
}

/**
 * What a timetable looks at.
 *
 * @category models
 */
export interface State {
  /** The next instant that has not been decided yet. */
  readonly nextTick: DateTime.Utc
  /** By the clock of the store. */
  readonly now: DateTime.Utc
}

/**
 * The instants that are due, oldest first, and the one after them.
 *
 * `due` is every instant in `[nextTick, now]`, at most `limit` of the newest. `late` tells whether even the newest is
 * past: by more than a minute, or than half an interval where that is less.
 *
 * @category combinators
 */
export const due = (timetable: Timetable, state: State, limit: number): {
  readonly due: ReadonlyArray<DateTime.Utc>
  readonly late: boolean
  readonly nextTick: DateTime.Utc
} => {
  const next = DateTime.toEpochMillis(state.nextTick)
  const now = DateTime.toEpochMillis(state.now)
  const step = timetable.everyMs
  if (next > now) return { due: [], late: false, nextTick: state.nextTick }
  const count = Math.floor((now - next) / step) + 1
  const last = next + (count - 1) * step
  const late = now - last > Math.min(60_000, step / 2)
  const first = Math.max(0, count - limit)
  return {
    due: Array.from({ length: count - first }, (_, i) => DateTime.makeUnsafe(next + (first + i) * step)),
    late,
    nextTick: DateTime.makeUnsafe(timetable.anchor === "lastRun" && late ? now + step : last + step)
  }
}

const units: Record<string, number> = {
  millisecond: 1,
  second: 1000,
  minute: 60_000,
  hour: 3_600_000,
  day: 86_400_000,
  week: 604_800_000
}

const milliseconds = (text: string): number | undefined => {
  if (/^\d{1,12}$/.test(text)) return Number(text) * 1000
  const words = /^(\d{1,12}) (millisecond|second|minute|hour|day|week)s?$/.exec(text)
  if (words !== null) return Number(words[1]) * (units[words[2] ?? ""] ?? Number.NaN)
  if (/^P(?!.*Y)(?![^T]*M)/.test(text)) {
    const iso = Duration.fromIso(text)
    return iso._tag === "Some" ? Duration.toMillis(iso.value) : undefined
  }
  return undefined
}

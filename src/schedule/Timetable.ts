/**
 * When a schedule is due.
 *
 * Pure of clocks: a timetable computes instants from the place that a `ScheduleStore` keeps and the time that it is told,
 * so a restart neither loses nor doubles a tick. Four kinds:
 *
 *   Every    at multiples of an interval        waiting --due--> waiting
 *   Cron     at times of day in a time zone     waiting --due--> waiting
 *   Spaced   a delay after the end of each run  waiting --due--> running --the run ended--> waiting
 *   Stepped  as an Effect `Schedule` says       waiting --due--> running --the run ended--> waiting | ended
 *
 * Around a change of the clock a cron line with written-out hours fires once, at the first occurrence; one with wildcard
 * or step hours fires in both halves of the repeated hour; a time that does not exist fires once, moved on by the gap.
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import type * as EffectSchedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as CronLine from "./internal/timetable/cronLine.ts"
import * as CronText from "./internal/timetable/cronText.ts"
import * as IntervalText from "./internal/timetable/intervalText.ts"
import * as Steps from "./internal/timetable/Steps.ts"

/**
 * Due at every multiple of an interval.
 *
 * `anchor` decides what follows a late tick: with `lastRun` the next one comes a whole interval after it ran, with
 * `fixed` the instants stay where the first one put them.
 *
 * @category models
 */
export const Every = Schema.TaggedStruct("Every", {
  /** Milliseconds, at least 1. Longer than 24.8 days is fine. */
  everyMs: Schema.Int.check(Schema.isGreaterThan(0)),
  anchor: Schema.Literals(["lastRun", "fixed"])
})

/**
 * @category models
 */
export type Every = typeof Every.Type

/**
 * Due at times of day in a time zone. A value of it has a next instant: what can never come is refused.
 *
 * @category models
 */
export const Cron = Schema.TaggedStruct("Cron", {
  /** 5 fields, or 6 with seconds first. */
  expression: Schema.String,
  /** A name as `Europe/Berlin`, or an offset as `+02:00`. */
  timeZone: Schema.String,
  /** Which half of a repeated hour counts. */
  onDstOverlap: Schema.Literals(["earlier", "later", "both"])
}).check(
  Schema.makeFilter((line) => Result.getOrElse(Result.map(CronLine.read(line.expression, line), () => true), String))
)

/**
 * @category models
 */
export type Cron = typeof Cron.Type

/**
 * Due a delay after the end of each run. The first is due at once.
 *
 * @category models
 */
export const Spaced = Schema.TaggedStruct("Spaced", {
  /** Milliseconds, at least 1. */
  delayMs: Schema.Int.check(Schema.isGreaterThan(0))
})

/**
 * @category models
 */
export type Spaced = typeof Spaced.Type

/**
 * Due as an Effect `Schedule` says, which sees the end of each run. The first is due at once, as with `Effect.repeat`.
 *
 * @category models
 */
export interface Stepped {
  readonly _tag: "Stepped"
  /** What a store knows it by. */
  readonly name: string
  /** Of its random numbers; none where each schedule draws its own and keeps it. */
  readonly seed: string | undefined
  /** @internal */
  readonly stepper: Steps.Stepper
}

/**
 * When a schedule is due.
 *
 * @category models
 */
export type Timetable = Every | Cron | Spaced | Stepped

/**
 * A timetable as stores and APIs keep it: all of it, but of an Effect `Schedule` only the name.
 *
 * @category models
 */
export const Stored = Schema.Union([Every, Cron, Spaced, Schema.TaggedStruct("Stepped", { name: Schema.String })])

/**
 * @category models
 */
export type Stored = typeof Stored.Type

/**
 * Where a schedule stands in its timetable: what a store keeps of it.
 *
 * @category models
 */
export const Place = Schema.Struct({
  /** The next instant that has not been decided yet; none while a run must end first, and at the end. */
  nextTick: Schema.NullOr(Schema.DateTimeUtc),
  progress: Schema.Struct({
    phase: Schema.Literals(["waiting", "running", "ended"]),
    /** The newest tick that was given, in milliseconds since 1970. */
    tick: Schema.NullOr(Schema.Finite),
    /** Of an Effect `Schedule`. */
    steps: Schema.NullOr(Steps.Steps)
  })
})

/**
 * @category models
 */
export type Place = typeof Place.Type

/**
 * A text that is no timetable.
 *
 * @category errors
 */
export class TimetableInvalid extends Schema.TaggedError<TimetableInvalid>()("TimetableInvalid", {
  text: Schema.String,
  reason: Schema.String,
  wanted: Schema.Literals(["timetable", "interval", "cron"])
}) {
  override get message() {
    return `"${this.text}" is no ${this.wanted}: ${this.reason}. ${accepted[this.wanted]}`
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
  readonly anchor?: Every["anchor"] | undefined
}): Every => Every.make({ everyMs: wholeMillis(interval), anchor: options?.anchor ?? "lastRun" })

/**
 * Due at times of day in a time zone. Refused: what is no cron line, an unknown zone, and dates that never come.
 *
 * @category constructors
 * @example
 * ```ts
 * import { Result } from "effect"
 * import { Timetable } from "ostinato/schedule"
 *
 * Result.isSuccess(Timetable.cron("0 2 * * *", { timeZone: "Europe/Berlin" })) // => true
 * Result.isFailure(Timetable.cron("0 2 31 2 *")) // => true
 * ```
 */
export const cron = (expression: string, options?: {
  /** Defaults to `UTC`. */
  readonly timeZone?: string | undefined
  /** Which half of a repeated hour counts. Defaults to `both` for wildcard and step hours, else `earlier`. */
  readonly onDstOverlap?: Cron["onDstOverlap"] | undefined
}): Result.Result<Cron, TimetableInvalid> =>
  Result.mapBoth(
    CronLine.read(expression, { timeZone: options?.timeZone ?? "UTC", onDstOverlap: options?.onDstOverlap }),
    {
      onFailure: (reason) => new TimetableInvalid({ text: expression, reason, wanted: "cron" }),
      onSuccess: (line) => Cron.make({ _tag: "Cron", ...line }, { disableChecks: true })
    }
  )

/**
 * As `cron`, for a line that is written in the program: throws `TimetableInvalid`.
 *
 * @category constructors
 */
export const cronUnsafe = (expression: string, options?: Parameters<typeof cron>[1]): Cron =>
  Result.getOrThrow(cron(expression, options))

/**
 * Due a delay after the end of each run, and the first time at once: a task of 25 s at a delay of 10 s starts at 0 s, 35 s,
 * 70 s.
 *
 * @category constructors
 */
export const spaced = (delay: Duration.Input): Spaced => Spaced.make({ delayMs: wholeMillis(delay) })

/**
 * Due as an Effect `Schedule` says: at once, then by its delays after the end of each run, until it is done. Its state
 * survives a restart. Delays are rounded up to milliseconds; it is given `undefined` as input.
 *
 * The store knows it by `name`: a schedule that is changed under the same name goes on where the old one stood.
 *
 * @category constructors
 * @example
 * ```ts
 * import { DateTime, Effect, Schedule } from "effect"
 * import { Timetable } from "ostinato/schedule"
 *
 * const backoff = Timetable.fromSchedule(Schedule.exponential("1 second").pipe(Schedule.upTo({ times: 3 })))
 * const ticks = await Effect.runPromise(Timetable.upcoming(backoff, DateTime.makeUnsafe(0), 10))
 * ticks.map(DateTime.toEpochMillis) // => [0, 1000, 3000, 7000]
 * ```
 */
export const fromSchedule = (schedule: EffectSchedule.Schedule<unknown>, options?: {
  /** Defaults to `schedule`. */
  readonly name?: string | undefined
  /** Of its random numbers. Defaults to one that is drawn for every schedule, and kept. */
  readonly seed?: string | undefined
}): Stepped => ({
  _tag: "Stepped",
  name: options?.name ?? "schedule",
  seed: options?.seed,
  stepper: { schedule, live: new Map() }
})

/**
 * Reads a timetable: an interval, with or without `every`; a delay as `10 seconds after each run`; or a cron line, with its
 * time zone behind it or as `CRON_TZ=` before it. Whatever `describe` writes is read, but for an Effect `Schedule`.
 *
 * @category constructors
 * @example
 * ```ts
 * import { Result } from "effect"
 * import { Timetable } from "ostinato/schedule"
 *
 * Timetable.parse("PT5M") // => Result.succeed(Timetable.every("5 minutes"))
 * Timetable.parse("0 2 * * * Europe/Berlin") // => Timetable.cron("0 2 * * *", { timeZone: "Europe/Berlin" })
 * Result.isFailure(Timetable.parse("abc")) // => true
 * ```
 */
export const parse = (text: string): Result.Result<Every | Cron | Spaced, TimetableInvalid> => {
  const delayMs = IntervalText.read(/^\s*(.+) after each run\s*$/.exec(text)?.[1] ?? "")
  if (delayMs !== undefined) return Result.succeed(Spaced.make({ delayMs }))
  const interval = readEvery(text)
  if (interval !== undefined) return Result.succeed(interval)
  const line = CronText.split(text)
  const read = line === undefined
    ? Result.fail("it is neither an interval nor a cron line")
    : CronLine.read(line.expression, { timeZone: line.timeZone, onDstOverlap: line.overlap })
  return Result.mapBoth(read, {
    onFailure: (reason) => new TimetableInvalid({ text, reason, wanted: "timetable" }),
    onSuccess: (line) => Cron.make({ _tag: "Cron", ...line }, { disableChecks: true })
  })
}

/**
 * Reads an interval: seconds, words or ISO-8601. Calendar parts whose length varies (months, years) are refused.
 *
 * @category constructors
 * @example
 * ```ts
 * import { Result } from "effect"
 * import { Timetable } from "ostinato/schedule"
 *
 * Result.map(Timetable.parseInterval("5 minutes"), (timetable) => timetable.everyMs) // => Result.succeed(300_000)
 * ```
 */
export const parseInterval = (text: string): Result.Result<Every, TimetableInvalid> => {
  const interval = readEvery(text)
  return interval === undefined
    ? Result.fail(new TimetableInvalid({ text, reason: "it is no time of a fixed length", wanted: "interval" }))
    : Result.succeed(interval)
}

/**
 * What stores and APIs keep of a timetable.
 *
 * @category combinators
 */
export const stored = (timetable: Timetable | Stored): Stored =>
  timetable._tag === "Stepped" ? { _tag: "Stepped", name: timetable.name } : timetable

/**
 * Whether a schedule keeps its place when the one timetable follows the other: all is the same but an interval's anchor.
 *
 * @category combinators
 */
export const isSamePlace = (self: Timetable | Stored, that: Timetable | Stored): boolean =>
  self._tag === "Every" && that._tag === "Every"
    ? self.everyMs === that.everyMs
    : self._tag === that._tag && describe(self) === describe(that)

/**
 * For people: `every 2 weeks`, `0 2 * * * Europe/Berlin`, `10 seconds after each run`, or the name of a schedule.
 *
 * @category combinators
 */
export const describe = (timetable: Timetable | Stored): string => {
  switch (timetable._tag) {
    case "Every":
      return `every ${IntervalText.words(timetable.everyMs)}${timetable.anchor === "fixed" ? ", fixed" : ""}`
    case "Cron": {
      const usual = CronLine.overlapOf(timetable.expression.split(" "))
      const overlap = timetable.onDstOverlap === usual ? "" : ` overlap=${timetable.onDstOverlap}`
      return `${timetable.expression} ${timetable.timeZone}${overlap}`
    }
    case "Spaced":
      return `${IntervalText.words(timetable.delayMs)} after each run`
    case "Stepped":
      return timetable.name
  }
}

/**
 * What a reader of the timetable may get wrong, with the next 8 dates: a cron line that sets both the day of the month and
 * the day of the week comes on either of them, so it is not a way to say "every two weeks".
 *
 * @category combinators
 */
export const warnings = (timetable: Timetable | Stored, from: DateTime.Utc): ReadonlyArray<string> => {
  if (timetable._tag !== "Cron" || !CronLine.isEitherDay(timetable)) return []
  const dates = CronLine.upcoming(timetable, DateTime.toEpochMillis(from), 8).map((instant) =>
    DateTime.formatIso(DateTime.makeUnsafe(instant))
  )
  return [
    `"${
      describe(timetable)
    }" sets both the day of the month and the day of the week, so it comes on either of them. Next: ${dates.join(", ")}`
  ]
}

/**
 * Where a schedule that is new stands, or one whose timetable was changed after a last run: an interval and a delay count
 * from that run, but nothing is due before `now`.
 *
 * @category combinators
 */
export const first = (timetable: Timetable, now: DateTime.Utc, lastRun?: DateTime.Utc): Effect.Effect<Place> => {
  const at = DateTime.toEpochMillis(now)
  const last = lastRun === undefined ? undefined : DateTime.toEpochMillis(lastRun)
  switch (timetable._tag) {
    case "Every":
      return Effect.succeed(waiting(Math.max(at, (last ?? at) + timetable.everyMs)))
    case "Cron":
      return Effect.succeed(waiting(CronLine.after(timetable, at)))
    case "Spaced":
      return Effect.succeed(waiting(last === undefined ? at : Math.max(at, last + timetable.delayMs)))
    case "Stepped":
      return Effect.map(
        timetable.seed === undefined ? Effect.map(Random.nextInt, String) : Effect.succeed(timetable.seed),
        (seed) => waiting(at, Steps.start(seed))
      )
  }
}

/**
 * What is due at a time by the clock of the store.
 *
 * @category models
 */
export interface Due {
  /** Every instant in `[nextTick, now]`, but at most as many of the newest as asked for; oldest first. */
  readonly due: ReadonlyArray<DateTime.Utc>
  /** Even the newest is past by more than a minute, or by more than half of an interval where that is less. */
  readonly late: boolean
  /** Where the schedule stands then. */
  readonly place: Place
}

/**
 * The instants that are due, and the place after them. A timetable that looks at the end of its runs gives one instant,
 * never late, and then waits for `afterRun`. At most 1,000 instants are given, however many are asked for.
 *
 * @category combinators
 */
export const due = (timetable: Timetable, place: Place, now: DateTime.Utc, limit: number): Due => {
  const at = DateTime.toEpochMillis(now)
  const next = place.nextTick === null ? Infinity : DateTime.toEpochMillis(place.nextTick)
  if (next > at) return { due: [], late: false, place }
  switch (timetable._tag) {
    case "Every": {
      const step = timetable.everyMs
      const count = Math.floor((at - next) / step) + 1
      const last = next + (count - 1) * step
      const late = isLate(at, last, step)
      const first = Math.max(0, count - Math.min(limit, most))
      return {
        due: Array.from({ length: count - first }, (_, i) => DateTime.makeUnsafe(next + (first + i) * step)),
        late,
        place: waiting(timetable.anchor === "lastRun" && late ? at + step : last + step, null, last)
      }
    }
    case "Cron": {
      const instants = CronLine.between(timetable, next, at, Math.min(limit, most))
      const last = instants.at(-1) ?? next
      const following = CronLine.after(timetable, at)
      return {
        due: instants.map((instant) => DateTime.makeUnsafe(instant)),
        late: isLate(at, last, (following ?? Infinity) - last),
        place: waiting(following, null, last)
      }
    }
    case "Spaced":
    case "Stepped":
      return {
        due: [DateTime.makeUnsafe(next)],
        late: false,
        place: { nextTick: null, progress: { ...place.progress, phase: "running", tick: next } }
      }
  }
}

/**
 * Where a schedule stands after the run of its newest tick has ended, however it ended. A place that waits for no run stays
 * as it is.
 *
 * @category combinators
 */
export const afterRun = (timetable: Timetable, place: Place, endedAt: DateTime.Utc): Effect.Effect<Place> => {
  if (place.progress.phase !== "running") return Effect.succeed(place)
  const { steps, tick } = place.progress
  const ended = DateTime.toEpochMillis(endedAt)
  // a tick is known by its instant: none comes twice, not even after a run and a delay that took no time
  const following = (delay: number) => Math.max(Math.ceil(ended + delay), (tick ?? -Infinity) + 1)
  switch (timetable._tag) {
    case "Spaced":
      return Effect.succeed(waiting(following(timetable.delayMs), null, tick))
    case "Stepped":
      return Effect.flatMap(
        steps === null ? first(timetable, endedAt) : Effect.succeed(place),
        ({ progress }) =>
          Effect.map(
            Steps.advance(timetable.stepper, progress.steps ?? Steps.start(timetable.seed ?? ""), ended),
            ({ delay, steps }) => waiting(delay === undefined ? undefined : following(delay), steps, tick)
          )
      )
    default:
      return first(timetable, endedAt)
  }
}

/**
 * The next instants after a time, or from a place on, in order, as if each run took no time. Fewer where the timetable ends;
 * none from a place that waits for the end of a run.
 *
 * @category combinators
 */
export const upcoming = Effect.fnUntraced(
  function*(timetable: Timetable, from: DateTime.Utc | Place, count: number) {
    let place = DateTime.isDateTime(from) ? yield* first(timetable, from) : from
    const found: Array<DateTime.Utc> = []
    while (found.length < count && place.nextTick !== null) {
      const tick: DateTime.Utc = place.nextTick
      found.push(tick)
      place = yield* afterRun(timetable, due(timetable, place, tick, 1).place, tick)
    }
    return found
  }
)

const waiting = (next: number | undefined, steps: Steps.Steps | null = null, tick: number | null = null): Place =>
  next !== undefined && next <= latest
    ? { nextTick: DateTime.makeUnsafe(next), progress: { phase: "waiting", tick, steps } }
    : { nextTick: null, progress: { phase: "ended", tick, steps } }

/** So many instants are held in memory at once. */
const most = 1000

/** The last instant that a date can hold. */
const latest = 8.64e15

const isLate = (now: number, tick: number, interval: number) => now - tick > Math.min(60_000, interval / 2)

const wholeMillis = (duration: Duration.Input) => Math.round(Duration.toMillis(Duration.fromInputUnsafe(duration)))

const readEvery = (text: string): Every | undefined => {
  const [, words = "", fixed] = /^\s*(?:every )?(.+?)(, fixed)?\s*$/.exec(text) ?? []
  const everyMs = IntervalText.read(words)
  return everyMs === undefined ? undefined : Every.make({ everyMs, anchor: fixed === undefined ? "lastRun" : "fixed" })
}

const intervals = `seconds (1209600), words ("2 weeks", "5 minutes") or ISO-8601 (P14D, PT5M)`
const cronLines =
  `a cron line of 5 or 6 fields with its time zone ("0 2 * * * Europe/Berlin", "CRON_TZ=Europe/Berlin 0 2 * * *")`
const accepted = {
  interval: `Write ${intervals}`,
  cron: `Write 5 fields, or 6 with seconds first ("0 2 * * *", "*/10 * * * * *"), and a time zone as Europe/Berlin`,
  timetable: `Write ${intervals}, "10 seconds after each run", or ${cronLines}`
}

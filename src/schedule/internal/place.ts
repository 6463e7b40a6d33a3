/**
 * Where a schedule stands in its timetable: the rules that every driver and every decision share.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Timetable from "../Timetable.ts"

interface Known extends Timetable.Place {
  readonly timetable: Timetable.Stored
}

/**
 * Where a known schedule stands when it is registered again. Unchanged timetable: unchanged place. Changed: as if the new
 * timetable had followed the last tick, or the beginning where there was none; nothing is due before now.
 */
export const changed = (
  known: Known,
  timetable: Timetable.Timetable,
  now: DateTime.Utc
): Effect.Effect<Timetable.Place> =>
  Timetable.isSamePlace(known.timetable, timetable)
    ? Effect.succeed({ nextTick: known.nextTick, progress: known.progress })
    : Timetable.first(timetable, now, anchor(known))

const anchor = ({ nextTick, progress, timetable }: Known): DateTime.Utc | undefined =>
  timetable._tag === "Every" && nextTick !== null
    ? DateTime.subtract(nextTick, { milliseconds: timetable.everyMs })
    : progress.tick === null
    ? undefined
    : DateTime.makeUnsafe(progress.tick)

/** The timetable to decide by: as stored, but an Effect `Schedule` is known only to the code that has it. */
export const timetableOf = (
  stored: Timetable.Stored,
  code: Timetable.Timetable | undefined
): Timetable.Timetable | undefined =>
  stored._tag !== "Stepped" ? stored : code?._tag === "Stepped" && code.name === stored.name ? code : undefined

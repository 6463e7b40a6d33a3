/**
 * Where a known schedule stands when it is registered again: the one rule for every driver.
 */
import * as DateTime from "effect/DateTime"
import type { Every } from "../Timetable.ts"

/** Unchanged timetable: unchanged place. Changed: one new interval after the last tick, or now where that is past. */
export const changed = (
  known: { readonly timetable: Every; readonly lastTick: DateTime.Utc | null; readonly nextTick: DateTime.Utc },
  timetable: Every,
  now: DateTime.Utc
): DateTime.Utc => {
  if (known.timetable.everyMs === timetable.everyMs) return known.nextTick
  const anchor = known.lastTick ?? DateTime.subtract(known.nextTick, { milliseconds: known.timetable.everyMs })
  return DateTime.max(now, DateTime.add(anchor, { milliseconds: timetable.everyMs }))
}

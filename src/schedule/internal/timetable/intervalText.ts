/**
 * Intervals as people and files write them.
 */
import * as Result from "effect/Result"
import * as DurationText from "../../../core/DurationText.ts"

const units = {
  week: 604_800_000,
  day: 86_400_000,
  hour: 3_600_000,
  minute: 60_000,
  second: 1000,
  millisecond: 1
}

/** Milliseconds of seconds, words or ISO-8601; none where the text is no interval, or one whose length varies. */
export const read = (text: string): number | undefined => {
  const millis = milliseconds(text.trim())
  return millis !== undefined && Number.isSafeInteger(millis) && millis > 0 ? millis : undefined
}

/** In the largest unit that needs no fraction. */
export const words = (millis: number): string => {
  const [unit, size] = Object.entries(units).find(([, size]) => millis % size === 0) ?? ["millisecond", 1]
  const count = millis / size
  return `${count} ${unit}${count === 1 ? "" : "s"}`
}

const milliseconds = (text: string): number | undefined =>
  /^\d{1,12}$/.test(text) ? Number(text) * 1000 : Result.getOrUndefined(DurationText.parse(text))

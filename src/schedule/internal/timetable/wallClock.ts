/**
 * From times on the clock of a zone to instants, and each of them exactly once.
 *
 * Between two changes a clock is a constant offset away from UTC, so its times are searched as if they were UTC. Where it
 * goes forward, the times that it leaves out still count by the offset before; where it goes back, the times that it shows
 * twice belong to the earlier stretch, to the later, or to both.
 */
import * as DateTime from "effect/DateTime"

/** Which half of a repeated hour counts. */
export type Overlap = "earlier" | "later" | "both"

/** The first time after one, both on a clock without changes, in milliseconds; none where there is none. */
export type Next = (wall: number) => number | undefined

/** Finds the first instant after one whose time on the clock of the zone is given by `next`. */
export const instants = (zone: DateTime.TimeZone, overlap: Overlap, next: Next): Next => (after) => {
  for (let from = after;;) {
    const stretches = stretchesOn(zone, Math.floor(from / dayMillis))
    const found = stretches.flatMap(({ begin, end, offset }) => {
      const wall = next(Math.max(from + offset, begin[overlap] - 1))
      return wall !== undefined && wall < end[overlap] && wall - offset <= from + reach ? [wall - offset] : []
    })
    if (found.length > 0) return Math.min(...found)
    // nothing within reach: on to shortly before the next time that the clock could show
    const offset = stretches.at(-1)?.offset ?? 0
    const wall = next(from + reach + offset)
    if (wall === undefined) return undefined
    from = Math.max(from + reach, wall - offset - reach)
  }
}

/** A time of constant offset, with the times on the clock that belong to it. All in milliseconds. */
interface Stretch {
  readonly offset: number
  readonly begin: Record<Overlap, number>
  readonly end: Record<Overlap, number>
}

/** Longer than any clock was ever changed by. */
const reach = 26 * 3_600_000

const dayMillis = 86_400_000

/** Of every zone the day that was looked at last: asking a zone for its offset takes longer than all else. */
const known = new WeakMap<DateTime.TimeZone, { readonly day: number; readonly stretches: ReadonlyArray<Stretch> }>()

/** What can matter on a day, counted from 1970 in UTC. */
const stretchesOn = (zone: DateTime.TimeZone, day: number): ReadonlyArray<Stretch> => {
  const last = known.get(zone)
  if (last?.day === day) return last.stretches
  const stretches = around(zone, day)
  known.set(zone, { day, stretches })
  return stretches
}

const around = (zone: DateTime.TimeZone, day: number): ReadonlyArray<Stretch> => {
  const start = day * dayMillis
  const probes = [start - reach, start + dayMillis / 2, start + dayMillis + reach].map((at) => ({
    at,
    offset: offsetAt(zone, at)
  }))
  const changes = probes.slice(1).flatMap((right, i) => {
    const left = probes[i]
    return left === undefined || left.offset === right.offset
      ? []
      : [{ at: changeBetween(zone, left.at, right.at), before: left.offset, after: right.offset }]
  })
  const offsets = [probes[0]?.offset ?? 0, ...changes.map((change) => change.after)]
  return offsets.map((offset, i) => {
    const start = changes[i - 1]
    const stop = changes[i]
    return {
      offset,
      begin: start === undefined ? always(-Infinity) : {
        // what the clock left out belongs to the stretch before, what it shows again to the chosen one
        earlier: start.at + Math.max(start.before, start.after),
        later: start.at + start.after,
        both: start.at + start.after
      },
      end: stop === undefined ? always(Infinity) : {
        earlier: stop.at + Math.max(stop.before, stop.after),
        later: stop.at + stop.after,
        both: stop.at + Math.max(stop.before, stop.after)
      }
    }
  })
}

const always = (wall: number) => ({ earlier: wall, later: wall, both: wall })

const changeBetween = (zone: DateTime.TimeZone, left: number, right: number): number => {
  const before = offsetAt(zone, left)
  // a clock changes on a whole second, and days are whole seconds
  let low = left / 1000
  let high = right / 1000
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if (offsetAt(zone, middle * 1000) === before) low = middle
    else high = middle
  }
  return high * 1000
}

const offsetAt = (zone: DateTime.TimeZone, instant: number): number =>
  DateTime.zonedOffset(DateTime.makeZonedUnsafe(instant, { timeZone: zone }))

/**
 * What a cron line means around a change of the clock, said a second time and without any search: walk over each minute
 * of universal time, look at the wall clock of the zone, and compare its fields.
 */
const minute = 60_000

export const zones = (): ReadonlyArray<string> => Intl.supportedValuesOf("timeZone")

/** The wall clock of a zone at an instant, as if it were UTC. */
const wallClock = (zone: string) => {
  const format = new Intl.DateTimeFormat("en-CA", {
    timeZone: zone,
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23"
  })
  return (instant: number): number => {
    const [year = 0, month = 0, day = 0, hour = 0, minutes = 0] = format.format(instant).split(/\D+/).map(Number)
    return Date.UTC(year, month - 1, day, hour, minutes)
  }
}

/** The instants at which the clock of a zone changes. */
export const transitions = (zone: string, firstYear: number, lastYear: number): ReadonlyArray<number> => {
  const wall = wallClock(zone)
  const offset = (index: number) => wall(index * minute) - index * minute
  const step = 7 * 24 * 60
  const found: Array<number> = []
  for (let left = Date.UTC(firstYear, 0) / minute; left < Date.UTC(lastYear + 1, 0) / minute; left += step) {
    if (offset(left) === offset(left + step)) continue
    let [low, high] = [left, left + step]
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2)
      if (offset(middle) === offset(left)) low = middle
      else high = middle
    }
    found.push(high * minute)
  }
  return found
}

/** The instants of a cron line in `(from, to]`. */
export const expected = (zone: string, { from, to }: { readonly from: number; readonly to: number }) => {
  const wall = wallClock(zone)
  const walk: Array<readonly [instant: number, wall: number]> = []
  // what was shown before the window may be shown again in it
  for (let at = from - 4 * 3_600_000; at <= to; at += minute) walk.push([at, wall(at)])
  return (expression: string): ReadonlyArray<number> => {
    const [minutes = "", hours = "", days = "", months = "", weekdays = ""] = expression.split(" ")
    const is = {
      minute: field(minutes),
      hour: field(hours),
      day: field(days),
      month: field(months),
      weekday: field(weekdays)
    }
    const isDay = days === "*" || weekdays === "*"
      ? (date: Date) => is.day.has(date.getUTCDate()) && is.weekday.has(date.getUTCDay())
      : (date: Date) => is.day.has(date.getUTCDate()) || is.weekday.has(date.getUTCDay())
    const matches = (shown: number) => {
      const date = new Date(shown)
      return is.minute.has(date.getUTCMinutes()) && is.hour.has(date.getUTCHours()) &&
        is.month.has(date.getUTCMonth() + 1) && isDay(date)
    }
    const ticks = new Set<number>()
    const seen = new Set<number>()
    let previous: number | undefined
    for (const [at, shown] of walk) {
      const leftOut = previous === undefined ? 0 : Math.max(0, shown - previous - minute)
      for (let gap = 0; gap < leftOut; gap += minute) if (matches(shown - leftOut + gap)) ticks.add(at + gap)
      if (matches(shown) && (/[*/]|0-23/.test(hours) || !seen.has(shown))) ticks.add(at)
      seen.add(shown)
      previous = shown
    }
    return [...ticks].filter((at) => at > from && at <= to).sort((a, b) => a - b)
  }
}

/** The values of a field: numbers, ranges and steps. */
const field = (text: string): ReadonlySet<number> =>
  new Set(
    Array.from({ length: 60 }, (_, value) => value).filter((value) =>
      text.split(",").some((part) => {
        const [range = "", step = "1"] = part.split("/")
        const [low = 0, high = low] = range === "*" ? [0, 59] : range.split("-").map(Number)
        return value >= low && value <= high && (value - low) % Number(step) === 0
      })
    )
  )

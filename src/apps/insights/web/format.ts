/** Numbers, days, instants and durations as people read them. Days are plain dates and never move with the zone. */

const whole = new Intl.NumberFormat("en")
const short = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 })
const share1 = new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: 1 })
const fullDay = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeZone: "UTC" })
const shortDay = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "UTC" })
const shortMonth = new Intl.DateTimeFormat("en-GB", { month: "short", timeZone: "UTC" })
const localInstant = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" })
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" })

/** `12,345` */
export const count = (value: number): string => whole.format(value)

/** `12.3K`, for axes */
export const compact = (value: number): string => short.format(value)

/** `1 commit`, `12,345 commits` */
export const counted = (value: number, singular: string): string =>
  `${count(value)} ${value === 1 ? singular : `${singular}s`}`

/** `2 Jan 2024` for `2024-01-02` */
export const day = (value: string): string => fullDay.format(new Date(`${value}T00:00:00Z`))

/** `2 Jan` */
export const dayOfMonth = (date: Date): string => shortDay.format(date)

/** `Jan` */
export const month = (date: Date): string => shortMonth.format(date)

/** The instant in the zone of the reader. */
export const instant = (value: string): string => localInstant.format(new Date(value))

/** `3 minutes ago`, seen from `now` (milliseconds since the epoch). */
export const ago = (value: string, now: number): string => {
  const seconds = Math.min(0, Math.round((Date.parse(value) - now) / 1000))
  if (seconds > -5) return "just now"
  if (seconds > -60) return relative.format(seconds, "second")
  if (seconds > -3600) return relative.format(Math.round(seconds / 60), "minute")
  if (seconds > -86_400) return relative.format(Math.round(seconds / 3600), "hour")
  return relative.format(Math.round(seconds / 86_400), "day")
}

/** `640 ms`, `12.4 s`, `3 min 5 s`, `2 h 4 min` */
export const duration = (millis: number): string => {
  if (millis < 1000) return `${Math.round(millis)} ms`
  if (millis < 60_000) return `${(millis / 1000).toFixed(1)} s`
  const seconds = Math.round(millis / 1000)
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`
}

/** `12.3%`, `<0.1%` */
export const percent = (share: number): string => share > 0 && share < 0.001 ? "<0.1%" : share1.format(share)

/** `640 B`, `12.3 KB`, `1.2 GB` */
export const size = (bytes: number): string => {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"]
  const power = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, bytes)) / 3)))
  return new Intl.NumberFormat("en", { style: "unit", unit: units[power] ?? "byte", maximumSignificantDigits: 3 })
    .format(bytes / 1000 ** power)
}

/** `12 days`, `5 months`, `3.4 years` between two days. */
export const age = (first: string, last: string): string => {
  const days = Math.round((Date.parse(last) - Date.parse(first)) / 86_400_000)
  if (days < 60) return counted(days, "day")
  if (days < 730) return counted(Math.round(days / 30.44), "month")
  return `${(days / 365.25).toFixed(1)} years`
}

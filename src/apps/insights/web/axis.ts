/** Where the ticks of the charts are: round values on the vertical axis, months and years on the horizontal one. */
import * as Format from "./format.ts"

/** Maps a value to a share of the height and says which values to label. */
export interface ValueScale {
  /** 0 at zero, 1 at the largest value that is shown. */
  readonly share: (value: number) => number
  /** The largest value is the last; zero is not among them. */
  readonly ticks: ReadonlyArray<number>
}

/** A straight scale with two to five round ticks. */
export const linear = (largest: number): ValueScale => {
  const step = Math.max(1, roundUp(largest / 4, [1, 2, 2.5, 5]))
  const size = Math.max(1, Math.ceil(largest / step))
  return {
    share: (value) => value / (step * size),
    ticks: Array.from({ length: size }, (_, index) => step * (index + 1))
  }
}

/** A square-root scale, ticks at a half and at the whole of the height. */
export const squareRoot = (largest: number): ValueScale => {
  const top = Math.max(4, roundUp(largest, [1, 2, 4, 8]))
  return { share: (value) => Math.sqrt(value / top), ticks: [top / 4, top] }
}

/** A place on the horizontal axis, in the unit of `start` and `end`. */
export interface TimeTick {
  readonly at: number
  readonly label: string
}

/** At most `most` ticks between two instants (milliseconds since the epoch): days, months or years. */
export const timeTicks = (start: number, end: number, most: number): ReadonlyArray<TimeTick> => {
  const days = (end - start) / 86_400_000
  if (days < 70) return weekTicks(start, end, Math.max(1, Math.ceil(days / 7 / most)))
  const months = monthSteps.find((step) => days / 30.4 / step <= most) ?? 600
  const ticks: Array<TimeTick> = []
  const first = new Date(start)
  const firstMonth = first.getUTCFullYear() * 12 + first.getUTCMonth()
  for (let index = Math.ceil(firstMonth / months) * months;; index += months) {
    const date = new Date(Date.UTC(Math.floor(index / 12), index % 12, 1))
    if (date.getTime() > end) return ticks
    if (date.getTime() < start) continue
    const yearly = months >= 12 || date.getUTCMonth() === 0
    ticks.push({ at: date.getTime(), label: yearly ? String(date.getUTCFullYear()) : Format.month(date) })
  }
}

const monthSteps = [1, 2, 3, 6, 12, 24, 60, 120, 240]

const weekTicks = (start: number, end: number, weeks: number): ReadonlyArray<TimeTick> => {
  const ticks: Array<TimeTick> = []
  for (let at = start; at < end; at += weeks * 7 * 86_400_000) {
    ticks.push({ at, label: Format.dayOfMonth(new Date(at)) })
  }
  return ticks
}

const roundUp = (value: number, mantissas: ReadonlyArray<number>): number => {
  if (value <= 0) return 1
  const power = 10 ** Math.floor(Math.log10(value))
  const mantissa = mantissas.find((candidate) => candidate * power >= value)
  return mantissa === undefined ? 10 * power : mantissa * power
}

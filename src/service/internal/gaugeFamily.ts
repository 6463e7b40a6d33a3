/**
 * Gauges of one name, told apart by labels: what is set is all that there is, and a series that is not set any more is
 * gone.
 */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"

/** One series and its value. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** Makes a family without series. Gives what sets all of them. */
export const make = (name: string, description: string) => {
  const gauge = Metric.gauge(name, { description })
  let shown = new Map<string, Metric.Gauge<number>>()
  return (samples: ReadonlyArray<Sample>): Effect.Effect<void> =>
    Effect.gen(function*() {
      const next = new Map<string, Metric.Gauge<number>>()
      for (const { labels, value } of samples) {
        const key = Object.values(labels).join("\u0000")
        const series = shown.get(key) ?? Metric.withAttributes(gauge, labels)
        next.set(key, series)
        yield* Metric.update(series, value)
      }
      for (const [key, series] of shown) if (!next.has(key)) yield* Metric.remove(series)
      shown = next
    })
}

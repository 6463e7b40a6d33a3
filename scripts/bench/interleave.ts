/**
 * Fair repetition: every system in each repetition, every other repetition in reverse order, ratios within a repetition.
 *
 * A ratio is the median of the per-repetition ratios to one named base, so a slow minute of the machine hits both sides of it.
 */

/** Median, minimum and maximum of a row. */
export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

/** Runs `measure` for each system of each repetition. Failures of `measure` are its own values; it must not reject. */
export const interleave = async <S, R>(
  systems: ReadonlyArray<S>,
  repetitions: number,
  measure: (system: S, repetition: number) => Promise<R>
): Promise<ReadonlyMap<S, ReadonlyArray<R>>> => {
  const rows = new Map<S, Array<R>>(systems.map((system) => [system, []]))
  for (let repetition = 0; repetition < repetitions; repetition++) {
    const order = repetition % 2 === 0 ? systems : systems.toReversed()
    for (const system of order) rows.get(system)?.push(await measure(system, repetition))
  }
  return rows
}

/** The spread of the values that exist; `undefined` when none does. */
export const spread = (values: ReadonlyArray<number | undefined>): Spread | undefined => {
  const sorted = values.filter((value) => value !== undefined).toSorted((a, b) => a - b)
  const low = sorted[Math.floor((sorted.length - 1) / 2)]
  const high = sorted[Math.ceil((sorted.length - 1) / 2)]
  const min = sorted[0]
  const max = sorted.at(-1)
  if (low === undefined || high === undefined || min === undefined || max === undefined) return undefined
  return { median: (low + high) / 2, min, max }
}

/** The spread of the per-repetition ratios of a row to the base's row. */
export const ratio = (
  row: ReadonlyArray<number | undefined>,
  base: ReadonlyArray<number | undefined>
): Spread | undefined =>
  spread(row.map((value, repetition) => {
    const unit = base[repetition]
    return value === undefined || unit === undefined ? undefined : value / unit
  }))

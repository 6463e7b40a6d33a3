/** What one measurement found: figures by name, or why there are none. */

/** One repetition of one row. */
export interface Figures {
  /** Why it is not a measurement; `not run: ` in front where something optional is absent. */
  readonly failure?: string | undefined
  /** Load average before it. */
  readonly load: number
  readonly values: Readonly<Record<string, number>>
}

/** Runs a measurement; never rejects, a failure is part of the answer. */
export const figures = async (
  load: () => number,
  measure: () => Promise<Readonly<Record<string, number | undefined>>>
): Promise<Figures> => {
  const before = load()
  try {
    const found = Object.entries(await measure()).flatMap(([name, value]) => value === undefined ? [] : [[name, value]])
    return { load: before, values: Object.fromEntries(found) as Record<string, number> }
  } catch (error) {
    return { load: before, values: {}, failure: error instanceof Error ? error.message : String(error) }
  }
}

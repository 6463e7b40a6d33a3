/**
 * Numbers that a seed repeats: every choice of a simulation comes from here, so the same seed makes the same choices.
 */
export interface Chance {
  /** At least 0, below 1. */
  readonly next: () => number
  /** A whole number from 0, below `n`. */
  readonly below: (n: number) => number
  readonly pick: <A>(values: readonly [A, ...Array<A>]) => A
}

export const make = (seed: number): Chance => {
  // mulberry32, with the seed spread so that neighbours have nothing in common
  let state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
  const below = (n: number) => Math.floor(next() * n)
  return { next, below, pick: (values) => values[below(values.length)] ?? values[0] }
}

/** One number for a series of them: equal series give equal numbers. */
export const mixed = (hash: number, value: number): number => Math.imul(hash ^ value, 0x01000193) >>> 0

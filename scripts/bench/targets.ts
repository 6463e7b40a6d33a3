/** What a suite promises, and whether a run kept it. */

/** One promise with what was found. */
export interface Target {
  readonly suite: string
  readonly metric: string
  /** Ours, the median; absent where it was not measured. */
  readonly value: number | undefined
  readonly unit: string
  /** Whom it is compared with; absent where the value itself is promised. */
  readonly peer: string | undefined
  /** The median of the ratios within a repetition; absent where it was not measured. */
  readonly ratio: number | undefined
  readonly target: string
  readonly ok: boolean
}

/** One line for each promise that was not kept. */
export const missed = (targets: ReadonlyArray<Target>): ReadonlyArray<string> =>
  targets.filter(({ ok }) => !ok).map(({ metric, peer, ratio, suite, target, unit, value }) =>
    peer === undefined
      ? `missed: ${suite} ${metric} is ${
        value === undefined ? "not measured" : `${value.toFixed(2)} ${unit}`
      }, wanted ${target}`
      : `missed: ${suite} ${metric} is ${
        ratio === undefined ? "not measured" : `${ratio.toFixed(2)}x`
      } of ${peer}, wanted ${target}`
  )

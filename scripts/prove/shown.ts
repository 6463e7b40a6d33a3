/** What a suite gives to the command line. */
export interface Shown {
  /** Every promise was kept, and with `--check` really put to the test. */
  readonly isShown: boolean
  /** For `--json`. */
  readonly exported: unknown
}

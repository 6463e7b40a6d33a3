/**
 * The only exceptions to the rules of `house.js`: rule → file → reason. A file that does not exist, or an empty reason,
 * fails a test.
 */
export const allowed = {
  "no-clock-bypass": {
    "src/cli/bin.ts": "runs before the Node version is known to be one on which Effect loads"
  },
  "no-ignored-result": {},
  "no-is-retryable": {},
  "no-sync-io": {},
  "no-unbounded-queue": {},
  "no-unsupervised-fork": {
    "src/core/Supervisor.ts": "the one place that forks what outlives its caller, and watches it"
  }
}

/**
 * How long work in progress is held by its process without a sign of life: one pair of numbers for runs and ticks.
 *
 * Six renewals fit into a lease, so a process that misses a few while its database restarts keeps what it holds; a
 * process that is gone loses it within `duration`.
 */

/** @category constants */
export const duration = "30 seconds"

/** @category constants */
export const renewEvery = "5 seconds"

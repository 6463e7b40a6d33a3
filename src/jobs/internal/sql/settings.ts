/**
 * What fixes the plan of a hot function, whatever the statistics say: those of a queue's tables are always stale.
 *
 * The settings are those of the call, so a pooler does not matter, and a connection keeps one plan.
 */

/** Rows of a batch are found by an array of keys and paired with it by hash. */
export const byArray = `set enable_seqscan = off set enable_bitmapscan = off set enable_nestloop = off
  set enable_mergejoin = off set jit = off set plan_cache_mode = force_generic_plan`

/** Few rows, each found by its key. */
export const byKey = `set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
  set enable_mergejoin = off set jit = off set plan_cache_mode = force_generic_plan`

/**
 * How a schedule treats a tick that comes while earlier work goes on, ticks that nobody fired, and how far its runs are
 * spread. Plain data: kept in the store, so every node decides alike.
 */
import * as Schema from "effect/Schema"

/**
 * What happens to a tick that is due while earlier work of the schedule has not ended.
 *
 * - `skip` records it as skipped: never two at once.
 * - `queue-one` lets one wait for the end of the earlier; while one waits, further ones are skipped.
 * - `{ allow: n }` lets up to `n` run at once; what is more is skipped.
 * - `replace` asks the earlier one to stop, waits for its end or until its grace is over, and then runs. Of several that
 *   come meanwhile the newest runs.
 *
 * @category models
 */
export const Overlap = Schema.Union([
  Schema.Literals(["skip", "queue-one", "replace"]),
  Schema.Struct({ allow: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1000 })) })
])

/**
 * @category models
 */
export type Overlap = typeof Overlap.Type

/**
 * What happens to ticks that were missed, while no process ran for instance: `last` fires one for all of them, `skip`
 * none, `{ all: n }` each of the newest `n`, oldest first and no more at once than the overlap policy allows.
 *
 * @category models
 */
export const Missed = Schema.Union([
  Schema.Literals(["last", "skip"]),
  Schema.Struct({ all: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1000 })) })
])

/**
 * @category models
 */
export type Missed = typeof Missed.Type

/**
 * @category models
 */
export const SchedulePolicy = Schema.Struct({
  overlap: Overlap,
  missed: Missed,
  /** A tick runs this many milliseconds late at most, drawn anew for each. At most 24 days. */
  jitterMs: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 24 * 86_400_000 }))
})

/**
 * @category models
 */
export type SchedulePolicy = typeof SchedulePolicy.Type

/**
 * `skip`, `last`, no jitter.
 *
 * @category constants
 */
export const standard: SchedulePolicy = { overlap: "skip", missed: "last", jitterMs: 0 }

/**
 * What is wrong with rules, and what is allowed; nothing where they can be kept.
 *
 * @category guards
 */
export const problemOf = (policy: SchedulePolicy): string | undefined => {
  for (const [rule, isAllowed, allowed] of rules) {
    if (!isAllowed(policy[rule])) return `${rule} ${JSON.stringify(policy[rule])} is not allowed: give ${allowed}`
  }
  return undefined
}

const rules = [
  ["overlap", Schema.is(Overlap), `"skip", "queue-one", "replace" or { allow: n } with n from 1 to 1000`],
  ["missed", Schema.is(Missed), `"last", "skip" or { all: n } with n from 1 to 1000`],
  ["jitterMs", Schema.is(SchedulePolicy.fields.jitterMs), "a jitter of 0 to 24 days"]
] as const

/**
 * How many runs of a schedule may go on at once.
 *
 * @category combinators
 */
export const capacity = (overlap: Overlap): number => typeof overlap === "object" ? Math.max(1, overlap.allow) : 1

/**
 * A database that is away: how it is called, and how to wait for it.
 *
 * Everything of the house that talks to the database in a loop waits with `backoff`, in its own fiber, and goes on by
 * itself when the database is back, however long that took.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as SqlErrors from "effect/sql/SqlError"
import * as SqlFault from "./SqlFault.ts"

/**
 * The database cannot be reached, or is stopping, starting, or read-only after a fail-over.
 *
 * @category errors
 */
export class DatabaseAway extends Schema.TaggedError<DatabaseAway>()("DatabaseAway", {
  /** `restart`: the statement did nothing. `connection`: it may have been carried out, if it had been sent. */
  fault: Schema.Literals(["connection", "restart"]),
  detail: Schema.String
}) {
  override get message() {
    return `the database is away (${this.detail}): ` +
      (this.fault === "restart"
        ? "nothing was changed by this statement, try again later"
        : "a statement under way may or may not have been carried out, so repeat only what is safe to repeat")
  }
  override get [Runtime.errorExitCode]() {
    return 69
  }
}

/**
 * Waits 1, 2, 4, 8, 16 and from then on 30 seconds, each jittered by a fifth, for as long as it takes.
 *
 * @category constructors
 */
export const backoff: Schedule.Schedule<unknown> = Schedule.min([
  Schedule.exponential("1 second"),
  Schedule.spaced("30 seconds")
]).pipe(Schedule.jittered)

/**
 * Whether the database is away, rather than unwilling.
 *
 * @category guards
 */
export const isOutage = (error: unknown): boolean => away(error) !== undefined

/**
 * Fails with `DatabaseAway` where the database is away. Every other error stays what it is.
 *
 * @category combinators
 */
export const typed = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | DatabaseAway, R> =>
  Effect.mapError(effect, (error) => away(error) ?? error)

/**
 * Tries again with `backoff` while the database is away: for ever, or for as long as `during` says. Only for work that
 * is safe to repeat.
 *
 * @category combinators
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { SqlClient } from "effect/sql"
 * import { Outage } from "ostinato/store"
 *
 * const count = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT count(*) FROM orders`)
 * const patient = Outage.ride(count, { during: "10 minutes" })
 * ```
 */
export const ride = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  options?: { readonly during?: Duration.Input | undefined }
): Effect.Effect<A, E | DatabaseAway, R> =>
  Effect.retry(typed(effect), {
    while: (error) => error instanceof DatabaseAway,
    schedule: options?.during === undefined
      ? backoff
      : Schedule.upTo(backoff, { duration: Duration.fromInputUnsafe(options.during) })
  })

const away = (error: unknown): DatabaseAway | undefined => {
  if (error instanceof DatabaseAway) return error
  if (!SqlErrors.isSqlError(error)) return undefined
  const fault = SqlFault.classify(error)
  return fault === "connection" || fault === "restart"
    ? new DatabaseAway({ fault, detail: SqlFault.explain(error) })
    : undefined
}

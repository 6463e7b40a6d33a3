/**
 * What a failed statement means for the caller: try again, wait for the server, or give up.
 *
 * The client's own `isRetryable` reads outages such as "the server is shutting down" (57P01) as final, so decisions
 * are made here, by SQLSTATE. Every error has exactly one fault; an unknown state is `permanent`, so nothing is retried
 * by accident.
 */
import * as Option from "effect/Option"
import { isSqlError, type SqlError } from "effect/sql/SqlError"

/**
 * The kinds of fault.
 *
 * - `connection`: the link is gone or was never made. If it broke while a statement ran, its outcome is unknown:
 *   repeat only what is safe to repeat.
 * - `restart`: the server is stopping, starting, recovering or read-only after a fail-over. Nothing was committed by
 *   this statement; wait and try again on a new connection.
 * - `transient`: the server is well but could not do it now (deadlock, serialization, lock or statement timeout, out
 *   of a resource). Nothing was committed; run the whole transaction again after a pause.
 * - `constraint`: the data forbids it. The same statement fails again.
 * - `permanent`: a mistake in the statement, in rights or in configuration. The same statement fails again.
 *
 * @category models
 */
export type SqlFault = "connection" | "restart" | "transient" | "constraint" | "permanent"

/**
 * Classifies an error by its SQLSTATE, or by its kind if the server sent none.
 *
 * **Example** (Retry only what may succeed)
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import type * as SqlError from "effect/sql/SqlError"
 * import * as SqlFault from "ostinato/store/SqlFault"
 *
 * const patient = <A, R>(work: Effect.Effect<A, SqlError.SqlError, R>) =>
 *   Effect.retry(work, { while: SqlFault.mayPass, times: 5 })
 * ```
 *
 * @category combinators
 */
export const classify = (error: SqlError): SqlFault =>
  Option.match(sqlState(error), {
    onNone: () => error.reason._tag === "ConnectionError" ? "connection" : "permanent",
    onSome: (state) => byState[state] ?? byClass[state.slice(0, 2)] ?? "permanent"
  })

/**
 * True for `connection`, `restart` and `transient`: a later attempt may succeed.
 *
 * @category combinators
 */
export const mayPass = (error: SqlError): boolean => {
  const fault = classify(error)
  return fault === "connection" || fault === "restart" || fault === "transient"
}

/**
 * The five-character SQLSTATE that the server sent, if it sent one.
 *
 * @category combinators
 */
export const sqlState = (error: SqlError): Option.Option<string> => {
  const cause = error.reason.cause
  const code = typeof cause === "object" && cause !== null && "code" in cause ? cause.code : undefined
  // every class has a digit among its first two characters, except XX: this keeps out system codes such as EPIPE
  return typeof code === "string" && /^(?:XX|[0-9][0-9A-Z]|[A-Z][0-9])[0-9A-Z]{3}$/.test(code)
    ? Option.some(code)
    : Option.none()
}

const byClass: Readonly<Record<string, SqlFault>> = {
  "08": "connection", // connection exception
  "23": "constraint", // integrity constraint violation
  "40": "transient", // transaction rollback: serialization failure, deadlock
  "53": "transient", // insufficient resources: disk, memory, connections
  "58": "transient" // system error outside Postgres: input and output, missing file
}

const byState: Readonly<Record<string, SqlFault>> = {
  "08P01": "permanent", // protocol violation: the two sides do not speak the same language
  "25006": "restart", // read-only transaction: a standby, or a fail-over not finished
  "25P03": "connection", // idle in transaction timeout: the server closed the session
  "25P04": "transient", // transaction timeout
  "40002": "constraint", // a deferred constraint failed at commit
  "40003": "connection", // statement completion unknown
  "55006": "transient", // object in use
  "55P03": "transient", // lock not available, lock timeout
  "57014": "transient", // query canceled: statement timeout
  "57P01": "restart", // admin shutdown
  "57P02": "restart", // crash shutdown
  "57P03": "restart", // cannot connect now: starting up or in recovery
  "57P05": "connection" // idle session timeout
}

/**
 * What the server said, for people: the messages along the chain of causes, outermost first. A client's own wrapping
 * ("Query failed") says nothing and is left out where the server said more. The server's messages may quote values of the statement.
 *
 * `migrations` names the line that makes what the statement needs, e.g. `PostgresJobStore.migrations`: where a table, a
 * function or a column is missing, the text says how to mend that.
 *
 * @category formatting
 */
export const explain = (error: { readonly message: string; readonly cause?: unknown }, migrations?: string): string => {
  const messages: Array<string> = []
  for (let at: unknown = error; at instanceof Error && messages.length < 5; at = at.cause) {
    if (!messages.includes(at.message)) messages.push(at.message)
  }
  const telling = messages.filter((message) => !message.endsWith("Query failed"))
  const said = (telling.length > 0 ? telling : [error.message]).join(": ")
  return migrations === undefined || !isMissing(error)
    ? said
    : `${said}. Its tables are missing, or older than this version: run Migration.run(${migrations}) before, once; ` +
      "`ostinato serve` does so when it starts"
}

// undefined table, function, column, schema
const isMissing = (error: unknown) =>
  isSqlError(error) && ["42P01", "42883", "42703", "3F000"].includes(Option.getOrElse(sqlState(error), () => ""))

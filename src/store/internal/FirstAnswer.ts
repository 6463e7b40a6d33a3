/**
 * Whether a server is there, may be trusted and is new enough, asked once before anything is built on it.
 *
 * Answers in bounded time, with an error that a person can act on.
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as SqlErrors from "effect/sql/SqlError"
import { DatabaseNotTrusted, DatabaseUnavailable } from "../DatabaseError.ts"
import type * as Target from "./Target.ts"
import * as Tls from "./Tls.ts"

/** Asks on a connection of its own, closed again. */
export const ask = Effect.fnUntraced(function*(config: PgClient.PgClientConfig, target: Target.Target) {
  const askOnce = Effect.fnUntraced(function*(attempt: PgClient.PgClientConfig, pooler: boolean) {
    const sql = yield* PgClient.makeClient(attempt)
    const [row] = yield* sql<Omit<Answer, "pooler"> & { readonly patience: string }>`
      select current_setting('server_version') as version, current_setting('server_version_num')::int as number,
        current_setting('lock_timeout') as patience`.unprepared
    if (row === undefined) {
      return yield* new DatabaseUnavailable({ target: target.name, detail: "it did not tell its version" })
    }
    // a pooler may swallow what it is told to ignore
    const asked = attempt.startupParameters?.["lock_timeout"]
    const ignores = asked !== undefined && asked !== row.patience
    if (ignores) yield* warn(target, "ignores")
    return { version: row.version, number: row.number, pooler: pooler || ignores }
  }, Effect.scoped)
  return yield* askOnce(config, false).pipe(
    Effect.catchIf(isPooler, () =>
      Effect.andThen(
        warn(target, "refuses"),
        askOnce({ ...config, startupParameters: undefined }, true)
      )),
    Effect.catchIf(SqlErrors.isSqlError, (error) => Effect.fail(unavailable(target, error))),
    Effect.timeoutOrElse({
      duration: config.connectTimeout ?? "5 seconds",
      orElse: () => Effect.fail(new DatabaseUnavailable({ target: target.name, detail: "no answer in time" }))
    })
  )
})

/** What the server told. */
export interface Answer {
  readonly version: string
  /** `server_version_num`. */
  readonly number: number
  /** Something between us and the server refuses or ignores session settings. */
  readonly pooler: boolean
}

const warn = (target: Target.Target, does: "refuses" | "ignores") =>
  Effect.logWarning(
    `${target.name} is a connection pooler that ${does} session settings: ` +
      "set idle_in_transaction_session_timeout and lock_timeout on the database or role"
  )

const isPooler = (error: unknown) =>
  SqlErrors.isSqlError(error) && describe(error).includes("unsupported startup parameter")

/** The typed error for people: away, or not to be trusted. */
export const unavailable = (
  target: Target.Target,
  error: SqlErrors.SqlError
): DatabaseUnavailable | DatabaseNotTrusted => {
  const detail = target.hide(describe(error))
  return Tls.isDistrust(error)
    ? new DatabaseNotTrusted({ target: target.name, detail })
    : new DatabaseUnavailable({ target: target.name, detail })
}

const describe = (error: SqlErrors.SqlError) => {
  const cause = error.reason.cause
  const code = typeof cause === "object" && cause !== null && "code" in cause ? String(cause.code) : ""
  const known = systemErrors[code]
  if (known !== undefined) return known
  return cause instanceof Error && cause.message !== "" ? cause.message : error.message
}

const systemErrors: Readonly<Record<string, string>> = {
  EACCES: "permission to use the socket denied",
  EAI_AGAIN: "the host name could not be resolved",
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection reset",
  EHOSTUNREACH: "host unreachable",
  ENETUNREACH: "network unreachable",
  ENOENT: "there is no such socket",
  ENOTFOUND: "the host name is not known",
  ETIMEDOUT: "connection timed out"
}

/**
 * What all parts of the store share: its two clients, its schema, its names, and how it wakes others.
 *
 * `user` is the client of the application: what must commit with the caller's transaction, and what may wait for one.
 * `house` has the short statements that never take part in it.
 */
import type * as PgClient from "@effect/sql-pg/PgClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"
import type { Supervisor } from "../../../core/Supervisor.ts"
import type { Database } from "../../../store/Database.ts"
import type { Notifier } from "../../../store/Notifier.ts"
import * as SqlFault from "../../../store/SqlFault.ts"
import * as Tx from "../../../store/Tx.ts"
import { JobStoreUnavailable } from "../../JobError.ts"
import type { Hints } from "./hints.ts"
import type { Names } from "./names.ts"

export interface StoreContext {
  readonly user: PgClient.PgClient
  readonly house: PgClient.PgClient
  /** The schema as a quoted identifier. */
  readonly s: string
  readonly names: Names
  readonly hints: Hints
  /** The numbers of limits that were asked for. */
  readonly limits: Map<string, number>
  readonly notifier: typeof Notifier.Service
  readonly supervisor: typeof Supervisor.Service
  readonly database: typeof Database.Service
}

/** A statement of the house, outside every transaction. */
export const outside = <A>(
  operation: string,
  work: Effect.Effect<A, SqlError>
): Effect.Effect<A, JobStoreUnavailable> =>
  Effect.mapError(Tx.outside(again(work)), (error) => unavailable(operation, error)).pipe(
    Effect.withTracerEnabled(false)
  )

/** Of two transactions that wait for each other the server rolls one back, and that comes again. */
export const again = <A>(work: Effect.Effect<A, SqlError>): Effect.Effect<A, SqlError> =>
  Effect.retry(work, { while: ({ reason }) => reason._tag === "DeadlockError", times: 3 })

/**
 * In the transaction around it, where that is one of the application's client; else on the connections of the house. Where
 * the transaction is, what could be held up by it must not be locked: `isOpen` says so.
 */
export const joining = <A>(
  { house, user }: Pick<StoreContext, "house" | "user">,
  operation: string,
  work: (sql: PgClient.PgClient, isOpen: boolean) => Effect.Effect<A, SqlError>
): Effect.Effect<A, JobStoreUnavailable> =>
  Effect.flatMap(
    inTransaction(user),
    (isOpen) =>
      isOpen
        ? Effect.mapError(work(user, true), (error) => unavailable(operation, error))
        : outside(operation, work(house, false))
  )

/** Whether a transaction of this client is open around the caller. */
export const inTransaction = (sql: PgClient.PgClient): Effect.Effect<boolean> =>
  Effect.contextWith((context: Context.Context<never>) =>
    Effect.succeed(Context.getOrUndefined(context, sql.transactionService) !== undefined)
  )

export const unavailable = (operation: string, error: SqlError) =>
  new JobStoreUnavailable({ operation, detail: SqlFault.explain(error, "PostgresJobStore.migrations") })

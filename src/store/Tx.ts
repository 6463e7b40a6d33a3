/**
 * The open transaction: how work gets into it, and how it gets out again.
 *
 * An ambient transaction belongs to one client instance and travels with the context, so forked fibers inherit it. One
 * that outlives the transaction then fails with "Pinned connection was released", and before that what it writes
 * vanishes with a rollback. Work that must stand on its own therefore leaves the transaction (`Database.outside`).
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"

/**
 * Proof, in a requirement, that a transaction is open. Only `Database.transaction` provides it, so an operation that
 * asks for it cannot be called outside a transaction by mistake.
 *
 * @category services
 */
export class Tx extends Context.Service<Tx, { readonly "~ostinato/Tx": true }>()("ostinato/store/Tx") {}

/**
 * Runs an effect in a transaction and provides `Tx` to it: `Database.transaction`.
 *
 * @category combinators
 */
export const transaction = <A, E, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E | SqlError, Exclude<R, Tx> | SqlClient.SqlClient> =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => sql.withTransaction(Effect.provideService(effect, Tx, open)))

/**
 * Runs an effect outside every transaction that is open around it, of any client: `Database.outside`.
 *
 * @category combinators
 */
export const outside = <A, E, R>(
  effect: Tx extends R ? RequiresTransaction : Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  // the condition holds for every effect that gets here; the compiler cannot resolve it for all R
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as said
  Effect.updateContext(effect as Effect.Effect<A, E, R>, withoutTransactions)

/**
 * What the compiler names when an effect that requires `Tx` is to run outside.
 *
 * @category models
 */
export interface RequiresTransaction {
  readonly "~ostinato/RequiresTransaction": "this effect requires Tx, so it cannot run outside the transaction"
}

const open = Tx.of({ "~ostinato/Tx": true })

// every client has a key of its own for its transaction: this name and the client's number
const transactionKey = SqlClient.TransactionConnection(0).key.slice(0, -1)

const withoutTransactions = <R>(context: Context.Context<R>): Context.Context<R> => {
  const kept = Array.from(context.mapUnsafe).filter(([key]) => key !== Tx.key && !key.startsWith(transactionKey))
  return kept.length === context.mapUnsafe.size ? context : Context.makeUnsafe(new Map(kept))
}

/**
 * The open transaction: how work gets into it, and how it gets out again.
 *
 * An ambient transaction belongs to one client instance and travels with the context, so forked fibers inherit it. One
 * that outlives the transaction then fails with "Pinned connection was released", and before that what it writes
 * vanishes with a rollback. Work that must stand on its own therefore leaves the transaction (`Database.outside`).
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as SqlClient from "effect/sql/SqlClient"
import { isSqlError, type SqlError } from "effect/sql/SqlError"

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
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    Effect.suspend(() => {
      let ended: Exit.Exit<A, E> | undefined
      const work = Effect.onExit(effect, (exit) => Effect.sync(() => void (ended = exit)))
      return Effect.catchCause(
        sql.withTransaction(Effect.provideService(work, Tx, open)),
        (cause) => Effect.failCause(restored(cause, ended))
      )
    }))

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

/**
 * Where the connection is gone, so is the rollback, and the client makes defects of all failures for it. Nothing was
 * committed, which is all that the rollback was for: the failure of the work, or of the commit, is one again.
 */
const restored = <A, E>(
  cause: Cause.Cause<E | SqlError>,
  ended: Exit.Exit<A, E> | undefined
): Cause.Cause<E | SqlError> => {
  if (ended === undefined || Cause.hasFails(cause) || Cause.hasInterrupts(cause)) return cause
  if (Exit.isFailure(ended)) return ended.cause
  const defects = cause.reasons.flatMap((reason) => Cause.isDieReason(reason) ? [reason.defect] : [])
  const [first] = defects
  return isSqlError(first) && defects.every(isSqlError) ? Cause.fail(first) : cause
}

const open = Tx.of({ "~ostinato/Tx": true })

// every client has a key of its own for its transaction: this name and the client's number
const transactionKey = SqlClient.TransactionConnection(0).key.slice(0, -1)

const withoutTransactions = <R>(context: Context.Context<R>): Context.Context<R> => {
  const kept = Array.from(context.mapUnsafe).filter(([key]) => key !== Tx.key && !key.startsWith(transactionKey))
  return kept.length === context.mapUnsafe.size ? context : Context.makeUnsafe(new Map(kept))
}

/**
 * Transactions of the store, and the first half of a merge.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as SqlErrors from "effect/sql/SqlError"
import { Tx } from "../../../store/Tx.ts"
import { type JobStoreUnavailable, OtherTransaction } from "../../JobError.ts"
import type { Producing } from "../../JobStore.ts"
import { superseded } from "../storeFailure.ts"
import * as columns from "./columns.ts"
import { decodeJobs, jobColumns } from "./jobRow.ts"
import { inTransaction, joining, type StoreContext, unavailable } from "./StoreContext.ts"

const cause = JSON.stringify(superseded)

export const make = (ctx: StoreContext): Pick<Producing, "joins" | "supersede" | "transaction"> => ({
  joins: (operation) =>
    Effect.flatMap(
      Tx,
      () =>
        Effect.flatMap(inTransaction(ctx.user), (isOurs) =>
          isOurs ? Effect.void : Effect.fail(new OtherTransaction({ operation })))
    ),
  transaction: <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.suspend(() => {
      let own: { readonly error: E } | undefined
      const work = Effect.tapError(effect, (error) => Effect.sync(() => void (own = { error })))
      return Effect.catchCause(
        ctx.user.withTransaction(work),
        (cause): Effect.Effect<never, E | JobStoreUnavailable> => {
          // a transaction whose connection is gone is rolled back, though the wish could not be sent
          if (own !== undefined) return Effect.fail(own.error)
          const found = Cause.findError(cause)
          if (Result.isFailure(found)) return Effect.failCause(found.failure)
          return SqlErrors.isSqlError(found.success)
            ? Effect.fail(unavailable("transaction", found.success))
            : Effect.fail(found.success)
        }
      )
    }),
  supersede: (keys) =>
    joining(ctx, "supersede", (sql) =>
      Effect.gen(function*() {
        const [row] = yield* sql.unsafe<
          { taken: ReadonlyArray<bigint> | null; keys: ReadonlyArray<Uint8Array> | null }
        >(
          `select * from ${ctx.s}.supersede($1::bytea[], $2::jsonb)`,
          [columns.bytea(keys.map((key) => Buffer.from(key, "hex"))), cause]
        ).unprepared
        if (row === undefined || row.taken === null || row.keys === null) return []
        const held = new Map(
          row.taken.map((id, place) => [String(id), Buffer.from(row.keys?.[place] ?? []).toString("hex")])
        )
        const jobs = yield* sql.unsafe(
          `select ${jobColumns("v")} from ${ctx.s}.jobs v where v.id = any($1) order by v.id`,
          [
            columns.int8(row.taken)
          ]
        ).unprepared
        return (yield* decodeJobs(jobs)).map((job) => ({ key: held.get(job.id) ?? "", job }))
      }))
})

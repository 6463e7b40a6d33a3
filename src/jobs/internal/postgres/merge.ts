/**
 * Transactions of the store, and the first half of a merge.
 */
import * as Effect from "effect/Effect"
import { Tx } from "../../../store/Tx.ts"
import { OtherTransaction } from "../../JobError.ts"
import type { Producing } from "../../JobStore.ts"
import * as columns from "./columns.ts"
import { decodeJobs, jobColumns } from "./jobRow.ts"
import { inTransaction, joining, type StoreContext, unavailable } from "./StoreContext.ts"

const superseded = JSON.stringify({
  kind: "interruption",
  tag: "Superseded",
  message: "a newer job with the same unique key took its place",
  cause: ""
})

export const make = (ctx: StoreContext): Pick<Producing, "joins" | "supersede" | "transaction"> => ({
  joins: (operation) =>
    Effect.flatMap(
      Tx,
      () =>
        Effect.flatMap(inTransaction(ctx.user), (isOurs) =>
          isOurs ? Effect.void : Effect.fail(new OtherTransaction({ operation })))
    ),
  transaction: (effect) =>
    Effect.mapError(
      ctx.user.withTransaction(Effect.mapError(effect, (error) => new Own(error))),
      (error) => error instanceof Own ? error.error : unavailable("transaction", error)
    ),
  supersede: (keys) =>
    joining(ctx, "supersede", (sql) =>
      Effect.gen(function*() {
        const [row] = yield* sql.unsafe<
          { taken: ReadonlyArray<bigint> | null; keys: ReadonlyArray<Uint8Array> | null }
        >(
          `select * from ${ctx.s}.supersede($1::bytea[], $2::jsonb)`,
          [columns.bytea(keys.map((key) => Buffer.from(key, "hex"))), superseded]
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

/** An error of the work itself, apart from those of the transaction around it. */
class Own<E> {
  readonly error: E
  constructor(error: E) {
    this.error = error
  }
}

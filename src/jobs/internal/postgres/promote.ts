/**
 * Due jobs become available. Any node may do it, at any time.
 */
import * as Effect from "effect/Effect"
import type { Maintaining } from "../../JobStore.ts"
import { outside, type StoreContext } from "./StoreContext.ts"
import { scheduledWakes, type Wakes } from "./wakes.ts"

export const make = (
  ctx: StoreContext,
  wakes: Wakes
): Pick<Maintaining, "promote" | "nextDueMs" | "scheduled"> => ({
  promote: (limit) =>
    outside(
      "promote",
      Effect.flatMap(
        ctx.house.unsafe<{ n: number; woken: ReadonlyArray<number> }>(`select * from ${ctx.s}.promote($1::int)`, [
          limit
        ]),
        ([row]) => row === undefined ? Effect.succeed(0) : Effect.as(wakes.woken(row.woken), row.n)
      )
    ),
  nextDueMs: outside(
    "next due",
    ctx.house.unsafe<{ ms: bigint }>(
      `select greatest(0, ceil(extract(epoch from run_at - now()) * 1000))::bigint as ms from ${ctx.s}.later
       where state in ('s', 'r', 'a') order by run_at limit 1`
    ).unprepared.pipe(
      Effect.map(([row]) => row === undefined ? null : Number(row.ms)),
      Effect.tap(wakes.nextDue)
    )
  ),
  scheduled: scheduledWakes(ctx)
})

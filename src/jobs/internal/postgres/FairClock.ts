/**
 * The virtual time of fair queues: how far claims have come, reported at most ten times a second. New tenants start there,
 * so nobody is owed the time in which he had nothing to do.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"
import type { StoreContext } from "./StoreContext.ts"

const every = 100_000_000n

export const make = ({ house, s }: Pick<StoreContext, "house" | "s">) =>
  Effect.sync(() => {
    const told = new Map<number, { readonly ord: bigint; readonly at: bigint }>()
    return {
      reached: (queue: number, last: { readonly ord: bigint; readonly jobId: bigint }) =>
        Effect.flatMap(Clock.monotonicTimeNanos, (now): Effect.Effect<void, SqlError> => {
          // in order of age the ord is near the id, and virtual time far below
          if (last.ord >= last.jobId >> 20n) return Effect.void
          const before = told.get(queue)
          if (before !== undefined && (now - before.at < every || last.ord <= before.ord)) return Effect.void
          told.set(queue, { ord: last.ord, at: now })
          return Effect.asVoid(house.unsafe(
            `insert into ${s}.fair_clock as c (queue_id, vt) select id, $2::bigint from ${s}.queue where id = $1::int and fair
             on conflict (queue_id) do update set vt = greatest(c.vt, excluded.vt) where c.vt < excluded.vt`,
            [queue, last.ord]
          ))
        })
    }
  })

/**
 * What a rate, a crash or a race left waiting goes on: parked jobs as their limits allow, children of ended parents,
 * permits of jobs that have ended, jobs whose hold is gone.
 */
import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"
import type { Maintaining } from "../../JobStore.ts"
import * as columns from "./columns.ts"
import { outside, type StoreContext } from "./StoreContext.ts"
import type { Wakes } from "./wakes.ts"

/** Keys that are locked in one transaction. */
const keysAtOnce = 50

export const make = ({ house, s }: StoreContext, wakes: Wakes): Pick<Maintaining, "sweep"> => {
  const admitParked = (limit: number, key: string): Effect.Effect<void, SqlError> =>
    Effect.gen(function*() {
      const keys = yield* house.unsafe<{ limit_id: number; limit_key: string }>(
        `select * from ${s}.parked_keys($1::int, $2::text, $3::int)`,
        [limit, key, keysAtOnce]
      ).unprepared
      const last = keys.at(-1)
      if (last === undefined) return
      const [row] = yield* house.unsafe<{ woken: ReadonlyArray<number> }>(`select ${s}.admit_all($1, $2) as woken`, [
        columns.int4(keys.map(({ limit_id }) => limit_id)),
        columns.text(keys.map(({ limit_key }) => limit_key))
      ])
      yield* wakes.woken(row?.woken ?? null)
      if (keys.length === keysAtOnce) yield* admitParked(last.limit_id, last.limit_key)
    })
  const sweep = Effect.gen(function*() {
    yield* admitParked(0, "")
    const [row] = yield* house.unsafe<{ settled: boolean; woken: ReadonlyArray<number> }>(
      `select ${s}.settle_rest(1000) as settled, ${s}.repair() as woken`
    ).unprepared
    if (row?.settled === true) yield* wakes.woken([0])
    yield* wakes.woken(row?.woken ?? null)
  })
  return { sweep: outside("sweep", sweep) }
}

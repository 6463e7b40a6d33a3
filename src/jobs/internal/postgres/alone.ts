/**
 * Work that is safe on every node at once, and that one of them is enough for.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { SqlError } from "effect/sql/SqlError"
import type { Lease } from "../../../store/Lease.ts"

/** Nothing where another node does it now. Where leases cannot be had it is done all the same. */
export const alone = <A>(
  lease: Lease["Service"],
  name: string,
  work: Effect.Effect<A, SqlError>
): Effect.Effect<A | undefined, SqlError> =>
  lease.withLease(name, () => work).pipe(
    Effect.map(Option.getOrUndefined),
    Effect.catchTags({
      LeaseLost: () => Effect.undefined,
      LeaseUnavailable: (error) => Effect.andThen(Effect.logDebug(`without a lease: ${error.message}`), work)
    })
  )

/**
 * The beat of a process that holds leases: it renews its own, then sweeps those of others that ran out.
 *
 * Renewal comes first, so that a process that slept keeps what it holds. A sweep needs two renewals in a row before it:
 * after an outage everybody gets the time to renew what they hold before anybody takes it for abandoned.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

/** Beats for ever; fails when the database does. To be run again then. */
export const run = <E>(options: {
  readonly renew: Effect.Effect<unknown, E>
  readonly sweep: Effect.Effect<unknown, E>
  readonly every: Duration.Input
}): Effect.Effect<never, E> =>
  Effect.suspend(() => {
    let renewals = 0
    return options.renew.pipe(
      Effect.andThen(Effect.suspend(() => ++renewals > 2 ? options.sweep : Effect.void)),
      Effect.andThen(Effect.sleep(options.every)),
      Effect.forever
    )
  })

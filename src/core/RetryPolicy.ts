/**
 * How patiently the library itself tries again.
 */
import type * as Duration from "effect/Duration"
import * as Schedule from "effect/Schedule"

/**
 * For a store that may be away for a moment: after 100 ms, twice as long each time, at most 2 s apart, jittered, for as
 * long as given.
 *
 * @category constructors
 */
export const patient = (during: Duration.Input): Schedule.Schedule<unknown> =>
  Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("2 seconds")]).pipe(
    Schedule.jittered,
    Schedule.upTo({ duration: during })
  )

/**
 * Patience with a store that is away: it is asked again after 1 s, 2 s, 4 s … at most 30 s, jittered, for as long as it
 * takes, and told about once in 30 s for all the loops of a process. Other failures pass through.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { ScheduleStoreUnavailable } from "../ScheduleStore.ts"

const delays = Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("30 seconds")]).pipe(Schedule.jittered)

const quiet = 30_000

export interface Outage {
  readonly patient: <A, E extends { readonly _tag: string }, R>(
    work: Effect.Effect<A, E | ScheduleStoreUnavailable, R>
  ) => Effect.Effect<A, Exclude<E, ScheduleStoreUnavailable>, R>
}

export const make = (): Outage => {
  let toldAt = Number.NEGATIVE_INFINITY
  let isAway = false
  const told = (error: ScheduleStoreUnavailable) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      isAway = true
      if (now - toldAt < quiet) return Effect.void
      toldAt = now
      return Effect.logWarning(`${error.message}. Ticks wait for the store; it is asked again`)
    })
  const back = Effect.suspend(() => {
    if (!isAway) return Effect.void
    isAway = false
    toldAt = Number.NEGATIVE_INFINITY
    return Effect.logInfo("schedules: the store answers again")
  })
  const isOutage = (error: { readonly _tag: string }): error is ScheduleStoreUnavailable =>
    error._tag === "ScheduleStoreUnavailable"

  const patient = <A, E extends { readonly _tag: string }, R>(
    work: Effect.Effect<A, E | ScheduleStoreUnavailable, R>
  ) => {
    return work.pipe(
      Effect.tapError((error) => isOutage(error) ? told(error) : Effect.void),
      Effect.retry({ schedule: delays, while: isOutage }),
      Effect.tap(back),
      // it never gives up on an outage
      Effect.catchIf(isOutage, Effect.die)
    )
  }

  return { patient }
}

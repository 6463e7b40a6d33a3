/**
 * A clock that moves on when nothing is left to do: thirty days pass as fast as the program can live through them.
 *
 * Time stands still while a fiber is ready. When none is, the clock goes to the next instant at which somebody wakes, and
 * wakes all of that instant together, in no particular order. It understands `TestClock.adjust` and `TestClock.setTime`.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as TestClock from "effect/testing/TestClock"
import * as Sleepers from "./internal/sleepers.ts"

/**
 * A clock that somebody moves on from instant to instant.
 *
 * @category models
 */
export interface SimulatedClock extends TestClock.TestClock {
  /** Goes to the next instant at which somebody wakes, and wakes them. `false`: nobody sleeps. */
  readonly advance: () => boolean
  /** The instant to which `advance` would go, in milliseconds. */
  readonly next: () => number | undefined
}

/**
 * Makes a clock that stands at `start`, in milliseconds since 1970.
 *
 * @category constructors
 */
export const make = (start: number): SimulatedClock => {
  const sleepers = Sleepers.make<() => void>()
  let now = start

  const until = (at: number, turn: Sleepers.Turn) =>
    Effect.callback<void>((resume) => {
      const wake = () => resume(Effect.void)
      return Effect.sync(sleepers.add({ at, turn, value: wake }))
    })
  // woken through its own scheduler: a process that was killed does not wake
  const sleepUntil = (at: number, turn: Sleepers.Turn) =>
    Effect.suspend(() => at > now ? Effect.andThen(until(at, turn), Effect.yieldNow) : Effect.yieldNow)
  const live = Context.get(Context.empty(), Clock.Clock)

  return {
    currentTimeMillisUnsafe: () => now,
    currentTimeNanosUnsafe: () => nanos(now),
    monotonicTimeNanosUnsafe: () => nanos(now - start),
    currentTimeMillis: Effect.sync(() => now),
    currentTimeNanos: Effect.sync(() => nanos(now)),
    monotonicTimeNanos: Effect.sync(() => nanos(now - start)),
    sleep: (duration) => Effect.suspend(() => sleepUntil(now + Duration.toMillis(duration), "first")),
    // whoever moved the clock goes on when the others have done what that instant gave them to do
    adjust: (duration) =>
      Effect.suspend(() => until(now + Math.max(0, Duration.toMillis(Duration.fromInputUnsafe(duration))), "last")),
    setTime: (at) => Effect.suspend(() => until(Math.max(now, at), "last")),
    withLive: (effect) => Effect.provideService(effect, Clock.Clock, live),
    advance: () => {
      const woken = sleepers.takeNext()
      for (const { at, value } of woken) {
        now = Math.max(now, at)
        value()
      }
      return woken.length > 0
    },
    next: sleepers.next
  }
}

const nanos = (milliseconds: number): bigint => BigInt(Math.round(milliseconds * 1_000)) * 1_000n

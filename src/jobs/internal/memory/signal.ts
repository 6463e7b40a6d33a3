/**
 * Tells whoever waits that there may be something to do. What is told while nobody looks is told once.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

export interface Signal {
  readonly tell: () => void
  /** The first element comes at once, any two of them at least so far apart. */
  readonly told: (pause?: Duration.Input) => Stream.Stream<void>
  /** Waits for the next one. */
  readonly next: Effect.Effect<void>
}

export const make = (): Signal => {
  const waiting = new Set<() => void>()
  let version = 0
  const after = (seen: () => number) =>
    Effect.callback<void>((resume) => {
      if (version > seen()) return resume(Effect.void)
      const heard = () => resume(Effect.void)
      waiting.add(heard)
      return Effect.sync(() => void waiting.delete(heard))
    })
  return {
    tell: () => {
      version += 1
      const listeners = Array.from(waiting)
      waiting.clear()
      for (const heard of listeners) heard()
    },
    told: (pause) =>
      Stream.suspend(() => {
        let seen = -1
        return Stream.fromEffectRepeat(Effect.suspend(() =>
          Effect.andThen(pause === undefined || seen < 0 ? Effect.void : Effect.sleep(pause), after(() => seen)).pipe(
            Effect.andThen(Effect.sync(() => void (seen = version)))
          )
        ))
      }),
    next: Effect.suspend(() => {
      const seen = version
      return after(() => seen)
    })
  }
}

/**
 * Wakes one loop. A ring that finds nobody asleep ends the next sleep at once, so nothing is missed between looking and
 * falling asleep; many such rings count as one. Rung from code that is no Effect, a hundred thousand times a second.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

export class Bell {
  private isRung = false
  private resume: ((effect: Effect.Effect<void>) => void) | undefined

  ring(): void {
    const { resume } = this
    this.resume = undefined
    if (resume === undefined) this.isRung = true
    // in its own turn, not in that of whoever rings
    else resume(Effect.yieldNow)
  }

  readonly rung: Effect.Effect<void> = Effect.callback<void>((resume) => {
    if (this.isRung) {
      this.isRung = false
      return resume(Effect.void)
    }
    this.resume = resume
    return Effect.sync(() => {
      if (this.resume === resume) this.resume = undefined
    })
  })

  /** Until it rings, and no longer than this. */
  within(duration: Duration.Input): Effect.Effect<void> {
    return Effect.asVoid(Effect.timeoutOption(this.rung, duration))
  }
}

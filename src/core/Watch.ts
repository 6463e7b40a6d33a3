/**
 * One timer for all limits of many pieces of work: it sleeps until the first of them and then looks. A limit that is met
 * costs nothing, and where all limits are alike the timer is set once.
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"

/**
 * The timer. Times are milliseconds of a clock of the caller's.
 *
 * @category models
 */
export class Watch {
  private readonly fork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>
  private readonly now: () => number
  private readonly look: () => number
  private due = -1
  private fiber: Fiber.Fiber<void> | undefined

  /** `look` deals with what is due and says when to look again; -1 for not at all. */
  constructor(context: Context.Context<never>, now: () => number, look: () => number) {
    this.fork = Effect.runForkWith(context)
    this.now = now
    this.look = look
  }

  /** Looks at this time at the latest. */
  at(due: number): void {
    if (this.due !== -1 && this.due <= due) return
    this.stop()
    this.due = due
    const looked = Effect.sync(() => {
      this.due = -1
      this.fiber = undefined
      const next = this.look()
      if (next !== -1) this.at(next)
    })
    this.fiber = this.fork(Effect.delay(looked, Math.max(0, due - this.now())))
  }

  stop(): void {
    const { fiber } = this
    this.due = -1
    this.fiber = undefined
    fiber?.interruptUnsafe()
  }
}

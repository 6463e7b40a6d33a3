/**
 * Gives a simulated program its turns until it stops: first whoever is ready, then what promises bring, and only when
 * nothing is left to do, the clock.
 */
import type { SeededScheduler } from "../SeededScheduler.ts"
import type { SimulatedClock } from "../SimulatedClock.ts"

export type Reason = "invariant" | "answer" | "stuck" | "time" | "turns"

export interface Drive {
  /** Somebody became ready. */
  readonly wake: () => void
  /** Gives no more turns. */
  readonly end: () => void
}

export const make = (options: {
  readonly scheduler: () => SeededScheduler
  readonly clock: SimulatedClock
  /** By the clock, in milliseconds. */
  readonly until: number
  readonly turns: number
  /** How long something from outside may take, by the real clock. */
  readonly outsideMs: number
  /** The name of something that does not hold. */
  readonly broken: () => string | undefined
  readonly onStop: (reason: Reason, detail: string) => void
}): Drive => {
  const { clock, onStop, turns, until } = options
  let isEnded = false
  // a turn of the event loop is under way, or will come
  let isDriving = false
  let stuck: NodeJS.Timeout | undefined

  const go = () => {
    const scheduler = options.scheduler()
    // a bound, so that signals and other tests get their turn too
    for (let n = 0; n < 10_000; n++) {
      if (isEnded) return
      if (!scheduler.turn()) return void setImmediate(goOn)
      const broken = options.broken()
      if (broken !== undefined) return onStop("invariant", `does not hold: ${broken}`)
      if (scheduler.turns() > turns) return onStop("turns", `the program has not ended after ${turns} turns`)
    }
    setImmediate(go)
  }
  const goOn = () => {
    if (isEnded) return
    if (options.scheduler().ready() > 0) return go()
    if ((clock.next() ?? 0) > until) return onStop("time", "the program has not ended within its time")
    if (clock.advance()) return go()
    isDriving = false
    stuck = setTimeout(
      () => onStop("stuck", "nothing is left to do, and the program waits for ever"),
      options.outsideMs
    )
  }

  return {
    wake: () => {
      if (isDriving || isEnded) return
      isDriving = true
      clearTimeout(stuck)
      setImmediate(go)
    },
    end: () => {
      isEnded = true
      clearTimeout(stuck)
    }
  }
}

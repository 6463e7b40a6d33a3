/**
 * A job that went down with its worker so often that it is discarded the next time is begun alone, so that what is innocent
 * does not go down with it, and is not taken for the reason.
 *
 *   free --such a job is claimed--> waiting --nothing else in hand | patience is over--> alone --ended | proven--> free
 *
 * While it waits and is alone, nothing else is begun or claimed in this process, and what was in hand is given back: it
 * begins only when the store knows that. What runs already is waited for, but not for ever, and a job that runs for long
 * does not keep its worker for itself.
 */
import type { Claimed } from "../../JobStore.ts"
import type { LiveAttempt } from "./LiveAttempt.ts"

/** Losses that a job survives; stores discard it at the one after. */
const survived = 2

/** Milliseconds for which the end of what runs is waited for. */
const patience = 10_000

/** Milliseconds after which a job that still runs is not expected to end its process. */
const proving = 30_000

export class Quarantine {
  private live: LiveAttempt | undefined
  private until = -1

  static concerns({ lost }: Claimed): boolean {
    return lost >= survived
  }

  enter(live: LiveAttempt, now: number): void {
    this.live = live
    this.until = now + patience
  }

  /** Its job begins. `false`: this is another one. */
  begins(live: LiveAttempt, now: number): boolean {
    if (live !== this.live) return false
    this.until = now + proving
    return true
  }

  isTaken(now: number): boolean {
    return this.live !== undefined && this.live.place !== "ended" && (this.live.place === "held" || now < this.until)
  }

  /** Until when its job waits for what runs; -1: none waits. */
  get waitsUntil(): number {
    return this.live?.place === "held" ? this.until : -1
  }

  /** When its job has waited, or has been alone, for long enough; -1: there is none. */
  get due(): number {
    return this.live === undefined || this.live.place === "ended" ? -1 : this.until
  }
}

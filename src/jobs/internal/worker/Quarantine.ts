/**
 * Jobs that were lost with their workers so often that the next death may discard them are begun one after the other, each
 * with nothing else in hand of this process: so what is innocent does not go down with the one that is not, and is not
 * taken for the reason. The store is told before each begins, since only one that runs alone can be to blame.
 *
 *   free --such jobs are claimed--> waiting --nothing else runs | patience is over--> asking --told--> alone
 *    |                                 |                                                                 |
 *    +<--none is left------------------+<--the next in line----------------------------ended | proven----+
 *
 * Meanwhile nothing else is begun or claimed in this process, and what was in hand is given back: each begins only when the
 * store knows that. What runs already is waited for, but not for ever, and a job that runs for long does not keep its worker
 * for itself.
 */
import type { Claimed } from "../../JobStore.ts"
import type { LiveAttempt } from "./LiveAttempt.ts"

/** Losses after which a job is begun alone. */
const survived = 2

/** Milliseconds for which the end of what runs is waited for. */
const patience = 10_000

/** Milliseconds after which a job that still runs is not expected to end its process. */
const proving = 30_000

export class Quarantine {
  private line: Array<LiveAttempt> = []
  private alone: LiveAttempt | undefined
  /** The end of patience, or of proving. */
  private until = -1
  private asked: LiveAttempt | undefined
  private isTold = false

  static concerns({ lost }: Claimed): boolean {
    return lost >= survived
  }

  enter(live: LiveAttempt, now: number): void {
    if (!this.isTaken(now)) this.until = now + patience
    this.line.push(live)
  }

  /** Whose turn it is; undefined while one runs alone, or where none waits. */
  next(now: number): LiveAttempt | undefined {
    return this.isProving(now) ? undefined : this.first
  }

  /** Whether the store was told that it runs alone. */
  knows(live: LiveAttempt): boolean {
    return this.asked === live && this.isTold
  }

  /** Whether the store is to be asked: it is asked once for each. */
  asks(live: LiveAttempt): boolean {
    if (this.asked === live) return false
    this.asked = live
    this.isTold = false
    return true
  }

  told(live: LiveAttempt): void {
    if (this.asked === live) this.isTold = true
  }

  begins(live: LiveAttempt, now: number): void {
    this.alone = live
    this.until = now + proving
  }

  isTaken(now: number): boolean {
    return this.first !== undefined || this.isProving(now)
  }

  /** Some wait for their turn. */
  get isWaiting(): boolean {
    return this.first !== undefined
  }

  /** When the first has waited, or the one that runs has been alone, for long enough; -1: there is none. */
  get due(): number {
    return this.first !== undefined || (this.alone !== undefined && this.alone.place !== "ended") ? this.until : -1
  }

  /** Those that were cancelled, given back or lost meanwhile have left the line. */
  private get first(): LiveAttempt | undefined {
    if (this.line[0] !== undefined && this.line[0].place !== "held") {
      this.line = this.line.filter(({ place }) => place === "held")
    }
    return this.line[0]
  }

  private isProving(now: number): boolean {
    return this.alone !== undefined && this.alone.place !== "ended" && now < this.until
  }
}

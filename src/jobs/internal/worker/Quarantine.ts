/**
 * Jobs that were lost with their workers so often that the next death may discard them are begun one after the other, each
 * with nothing else in hand of its worker: so what is innocent does not go down with the one that is not, and is not
 * taken for the reason. Only one that runs alone can be to blame, so the store is told before it begins, and again before
 * anything joins it.
 *
 *   free --such jobs are claimed--> waiting --nothing else runs--> noted --> begun --proven--> no longer noted --> free
 *    |                               |   |                                    ^  |
 *    |                               |   +--patience is over: in company------+  |
 *    +<--none is left----------------+<--the next in line------------------ended-+
 *
 * Meanwhile nothing else is begun or claimed by this worker, and what was in hand is given back: each begins only when the
 * store knows that. What runs already is waited for, but not for ever, and a job that runs for long does not keep its worker
 * for itself. Several workers of one process do not wait for one another: what one of them runs alone is not to blame where
 * another had a job in hand, so it may take as many deaths there as in company.
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
  /** Nothing is begun beside it, until it is proven. */
  private begun: LiveAttempt | undefined
  /** The end of patience, or of proving. */
  private until = -1
  /** What the store takes for alone. */
  private noted: LiveAttempt | undefined
  /** A question to the store is under way. */
  private isAsking = false

  static concerns({ lost }: Claimed): boolean {
    return lost >= survived
  }

  enter(live: LiveAttempt, now: number): void {
    if (!this.isTaken) this.until = now + patience
    this.line.push(live)
  }

  /** Whose turn it is; undefined while another is begun, or where none waits. */
  get next(): LiveAttempt | undefined {
    return this.isBegun ? undefined : this.first
  }

  /** Whether the store takes it for alone. */
  isNoted(live: LiveAttempt): boolean {
    return this.noted === live
  }

  /** Whether the store is to be asked: one question at a time. */
  asks(): boolean {
    if (this.isAsking) return false
    return this.isAsking = true
  }

  /** The answer is there: what the store takes for alone now. */
  answered(noted: LiveAttempt | undefined): void {
    this.isAsking = false
    this.noted = noted
  }

  begins(live: LiveAttempt, now: number): void {
    this.begun = live
    this.until = now + proving
  }

  /** The one that has run for long enough to be joined by others; undefined where none has. */
  proven(now: number): LiveAttempt | undefined {
    return this.isBegun && now >= this.until ? this.begun : undefined
  }

  /** Others may join the one that is begun. */
  joins(): void {
    this.begun = undefined
  }

  /** It stays as it is for so many milliseconds more. */
  waits(now: number, delayMs: number): void {
    this.until = now + delayMs
  }

  get isTaken(): boolean {
    return this.isWaiting || this.isBegun
  }

  /** Some wait for their turn. */
  get isWaiting(): boolean {
    return this.first !== undefined
  }

  /** When the first has waited, or the one that is begun is proven; -1: there is none. */
  get due(): number {
    return this.isTaken ? this.until : -1
  }

  /** Those that were cancelled, given back or lost meanwhile have left the line. */
  private get first(): LiveAttempt | undefined {
    if (this.line[0] !== undefined && this.line[0].place !== "held") {
      this.line = this.line.filter(({ place }) => place === "held")
    }
    return this.line[0]
  }

  private get isBegun(): boolean {
    return this.begun !== undefined && this.begun.place !== "ended"
  }
}

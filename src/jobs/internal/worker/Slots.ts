/** The attempts that run in one lane. Each knows its place, so that to come and to go costs nothing to speak of. */
import type { LiveAttempt } from "./LiveAttempt.ts"

export class Slots implements Iterable<LiveAttempt> {
  private readonly taken: Array<LiveAttempt> = []

  get size(): number {
    return this.taken.length
  }

  add(live: LiveAttempt): void {
    live.slot = this.taken.push(live) - 1
  }

  /** The last one takes its place. */
  delete(live: LiveAttempt): void {
    if (this.taken[live.slot] !== live) return
    const last = this.taken.pop()
    if (last === undefined || last === live) return
    this.taken[live.slot] = last
    last.slot = live.slot
  }

  /** Of those that run now, whatever becomes of them meanwhile. */
  [Symbol.iterator](): Iterator<LiveAttempt> {
    return [...this.taken][Symbol.iterator]()
  }
}

/**
 * Lines of submissions: links are in the submissions themselves, so a line has no size of its own and anybody can leave
 * it from the middle at once.
 */
import type { Submission } from "./Submission.ts"

/** First in, first out. A submission is in one lane at a time. */
export class Lane {
  head: Submission | undefined
  tail: Submission | undefined
  size = 0

  push(submission: Submission): void {
    submission.prev = this.tail
    submission.next = undefined
    if (this.tail === undefined) this.head = submission
    else this.tail.next = submission
    this.tail = submission
    this.size += 1
  }

  shift(): Submission | undefined {
    const { head } = this
    if (head !== undefined) this.remove(head)
    return head
  }

  /** The submission has to be in this lane. */
  remove(submission: Submission): void {
    const { next, prev } = submission
    if (prev === undefined) this.head = next
    else prev.next = next
    if (next === undefined) this.tail = prev
    else next.prev = prev
    submission.next = undefined
    submission.prev = undefined
    this.size -= 1
  }

  all(): Array<Submission> {
    const found: Array<Submission> = []
    for (let at = this.head; at !== undefined; at = at.next) found.push(at)
    return found
  }
}

/** A lane for each priority. Who has waited for `ageing` milliseconds counts as one priority higher, and so on. */
export class Line {
  readonly ageing: number
  private readonly lanes: readonly [Lane, Lane, Lane] = [new Lane(), new Lane(), new Lane()]
  size = 0

  constructor(ageing: number) {
    this.ageing = ageing
  }

  push(submission: Submission): void {
    this.lanes[submission.settings.rank].push(submission)
    this.size += 1
  }

  remove(submission: Submission): void {
    this.lanes[submission.settings.rank].remove(submission)
    this.size -= 1
  }

  /** Takes whose turn it is: within a lane the first is the oldest, so only the heads can be. */
  shift(): Submission | undefined {
    if (this.size === 0) return undefined
    let best: Submission | undefined
    let bestAt = 0
    for (const { head } of this.lanes) {
      if (head === undefined) continue
      const at = head.settings.rank === 0 ? head.at : head.at + head.settings.rank * this.ageing
      if (best !== undefined && !(at < bestAt)) continue
      best = head
      bestAt = at
    }
    if (best !== undefined) this.remove(best)
    return best
  }

  /** The oldest of the lowest priority that waits, unless that is higher than `rank`. */
  lowest(rank: number): Submission | undefined {
    const { head } = this.lanes.findLast(({ size }) => size > 0) ?? {}
    return head === undefined || head.settings.rank < rank ? undefined : head
  }

  all(): Array<Submission> {
    return this.lanes.flatMap((lane) => lane.all())
  }
}

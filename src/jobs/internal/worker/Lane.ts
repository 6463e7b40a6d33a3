/**
 * One queue of a worker: what was claimed of it and waits for a slot, and what runs.
 *
 * What is in hand never exceeds `capacity` and the prefetch. A prefetch that nobody set follows the pace of the queue: as
 * many jobs as it ends in 100 ms, so none waits here longer than that while another worker has a free slot.
 */
import { Bell } from "./Bell.ts"
import type { LiveAttempt } from "./LiveAttempt.ts"
import { Slots } from "./Slots.ts"

/** Most jobs of one claim. */
const most = 1000

/** Milliseconds of work that is fetched ahead, and most jobs: two claims, so that the next is a whole one. */
const ahead = 100
const deepest = 2 * most

export class Lane {
  readonly name: string
  readonly capacity: number
  readonly running = new Slots()
  /** Rings when the claimer may want to look: there may be jobs, or there is room. */
  readonly bell = new Bell()
  /** What the claimer waits for. */
  waitsFor: "room" | "jobs" | null = null
  /** There may be something to claim that the last claim did not see. */
  hasNews = true
  /** A claim of the claimer is under way. */
  isLooking = false
  /** Jobs that the claims of enqueues may bring, which are under way. */
  expected = 0
  private held: Array<LiveAttempt> = []
  private head = 0
  private readonly fixed: number | null
  private pace = 0
  private ends = 0
  private measuredAt = 0

  constructor(name: string, capacity: number, prefetch: number | null) {
    this.name = name
    this.capacity = capacity
    this.fixed = prefetch
  }

  get prefetched(): number {
    return this.held.length - this.head
  }

  /** More may come at any moment. */
  get isClaiming(): boolean {
    return this.isLooking || this.expected > 0
  }

  get inHand(): number {
    return this.running.size + this.prefetched
  }

  get prefetch(): number {
    return this.fixed ?? Math.min(deepest, Math.floor(this.pace * ahead))
  }

  hold(live: LiveAttempt): void {
    this.held.push(live)
  }

  next(): LiveAttempt | undefined {
    const live = this.held[this.head]
    if (live === undefined) return undefined
    this.head += 1
    if (this.head === this.held.length) {
      this.held = []
      this.head = 0
    }
    return live
  }

  /** All that was not begun, taken out. */
  unbegun(which: (live: LiveAttempt) => boolean = () => true): Array<LiveAttempt> {
    const all = this.held.slice(this.head)
    const out = all.filter(which)
    this.held = all.filter((live) => !which(live))
    this.head = 0
    return out
  }

  find(which: (live: LiveAttempt) => boolean): LiveAttempt | undefined {
    for (const live of this.running) if (which(live)) return live
    for (let i = this.head; i < this.held.length; i++) {
      const live = this.held[i]
      if (live !== undefined && which(live)) return live
    }
    return undefined
  }

  /** How many to claim now; 0 until there is more room. */
  get wants(): number {
    const total = this.capacity + this.prefetch
    const room = Math.min(most, total - this.inHand - this.expected)
    if (room <= 0) return 0
    // a slot without work, or so much room that a claim is worth it
    return (this.prefetched === 0 && this.running.size < this.capacity) || room * 2 >= Math.min(deepest, total)
      ? room
      : 0
  }

  /** A slot is free again. */
  freed(live: LiveAttempt): void {
    this.running.delete(live)
    this.ends += 1
    this.noteRoom()
  }

  noteRoom(): void {
    if (this.waitsFor === "room" && this.wants > 0) this.bell.ring()
  }

  /** There may be something to claim. */
  noteJobs(): void {
    this.hasNews = true
    if (this.waitsFor === "jobs") this.bell.ring()
  }

  /** Measures the pace between two claims. */
  measure(now: number): void {
    const elapsed = now - this.measuredAt
    if (elapsed < 1) return
    this.pace = (this.pace + this.ends / elapsed) / 2
    this.ends = 0
    this.measuredAt = now
  }
}

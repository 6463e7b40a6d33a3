/**
 * Ends of attempts that the store does not know of yet, and jobs to be given back. They stay here while it is away.
 */
import type { JobId } from "../../Job.ts"
import type { End } from "../../JobStore.ts"
import { Bell } from "./Bell.ts"
import type { LiveAttempt } from "./LiveAttempt.ts"

export interface Result {
  readonly live: LiveAttempt
  readonly end: End
}

export class Results {
  readonly bell = new Bell()
  /** Ends that are being worked out. */
  pending = 0
  private ends: Array<Result> = []
  private returned: Array<LiveAttempt> = []
  /** In the hands of the finisher. */
  private flying: ReadonlyArray<LiveAttempt> = []

  get size(): number {
    return this.ends.length + this.returned.length + this.flying.length
  }

  /** Ends that wait for the next flush. */
  get waiting(): number {
    return this.ends.length
  }

  /** There is something to be told. */
  get isWaiting(): boolean {
    return this.ends.length > 0 || this.returned.length > 0
  }

  get isIdle(): boolean {
    return this.pending === 0 && this.size === 0
  }

  push(live: LiveAttempt, end: End): void {
    this.ends.push({ live, end })
    if (this.ends.length === 1) this.bell.ring()
  }

  giveBack(live: LiveAttempt): void {
    this.returned.push(live)
    if (this.returned.length === 1) this.bell.ring()
  }

  /** At most so many ends, and all that is to be given back. One at a time, until `done`. */
  take(limit: number): { readonly ends: ReadonlyArray<Result>; readonly returned: ReadonlyArray<LiveAttempt> } {
    const { returned } = this
    const ends = this.ends.length <= limit ? this.ends : this.ends.slice(0, limit)
    this.ends = this.ends.length <= limit ? [] : this.ends.slice(limit)
    this.returned = []
    this.flying = [...this.flying, ...ends.map(({ live }) => live), ...returned]
    return { ends, returned }
  }

  /** What was taken is recorded, or concerns nobody any more. */
  done(left: ReadonlyArray<LiveAttempt> = []): void {
    this.flying = left
  }

  /** Whether the end of this job is still to be recorded. */
  has(id: JobId): boolean {
    return this.ends.some(({ live }) => live.job.id === id) || this.returned.some((live) => live.job.id === id) ||
      this.flying.some((live) => live.job.id === id)
  }
}

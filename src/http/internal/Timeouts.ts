/**
 * Limits of many requests on one timer. Those of the same length are due in the order in which they were set, so each length
 * has one list, and only its head is looked at.
 */
import type * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import { Watch } from "../../core/Watch.ts"

export interface Limited {
  /** Milliseconds of its limit; 0: it has none. */
  limitMs: number
  /** When it is due. */
  due: number
  /** Its limit is over. */
  late(): void
}

/** Of a limit; 0 where it has no end. */
export const millis = (input: Duration.Input): number => {
  const duration = Duration.fromInputUnsafe(input)
  return Duration.isFinite(duration) ? Duration.toMillis(duration) : 0
}

export class Timeouts {
  private readonly lists = new Map<number, Set<Limited>>()
  private readonly watch: Watch
  private readonly clock: Clock.Clock
  private readonly epoch: bigint

  constructor(base: Context.Context<never>, clock: Clock.Clock) {
    this.clock = clock
    this.epoch = clock.monotonicTimeNanosUnsafe()
    this.watch = new Watch(base, () => this.now(), () => this.look())
  }

  /** Milliseconds since this was made. */
  now(): number {
    return Number(this.clock.monotonicTimeNanosUnsafe() - this.epoch) / 1e6
  }

  /** Sets or replaces a limit, counted from `since`. */
  set(one: Limited, limitMs: number, since: number): void {
    this.clear(one)
    if (limitMs <= 0) return
    let list = this.lists.get(limitMs)
    if (list === undefined) this.lists.set(limitMs, list = new Set())
    one.limitMs = limitMs
    one.due = since + limitMs
    list.add(one)
    this.watch.at(one.due)
  }

  clear(one: Limited): void {
    if (one.limitMs === 0) return
    const list = this.lists.get(one.limitMs)
    list?.delete(one)
    // lengths that requests name for themselves would add up
    if (list?.size === 0) this.lists.delete(one.limitMs)
    one.limitMs = 0
  }

  stop(): void {
    this.watch.stop()
  }

  private look(): number {
    const now = this.now()
    let next = -1
    for (const list of Array.from(this.lists.values())) {
      for (const one of list) {
        if (one.due > now) {
          if (next === -1 || one.due < next) next = one.due
          break
        }
        this.clear(one)
        one.late()
      }
    }
    return next
  }
}

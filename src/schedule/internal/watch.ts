/**
 * Looks at the store now and then for what changed elsewhere: schedules made, edited, paused or deleted, work that ended
 * on another node or was lost with it, and a clock that was set.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import { capacity } from "../SchedulePolicy.ts"
import type { Schedule } from "../ScheduleStore.ts"

/** What a process does about a schedule: `begin` and `end` its loop, `wake` it to decide anew. */
export interface Loops {
  readonly has: (name: string) => boolean
  /** Whether this process can run it. */
  readonly knows: (schedule: Schedule) => boolean
  readonly begin: (schedule: Schedule) => Effect.Effect<void>
  readonly end: (name: string) => Effect.Effect<void>
  readonly wake: (name: string) => Effect.Effect<void>
  /** The stored schedules that have a loop. */
  readonly stored: () => ReadonlyArray<string>
}

/** Applies one look. Remembers the revisions that it has seen. */
export const make = (loops: Loops, fires: boolean) => {
  const revisions = new Map<string, number>()

  const isChanged = ({ name, revision }: Schedule) => {
    const before = revisions.get(name)
    revisions.set(name, revision)
    return before !== undefined && before !== revision
  }

  return Effect.fnUntraced(function*(schedules: ReadonlyArray<Schedule>, now: DateTime.Utc) {
    const runnable = new Set(schedules.filter(loops.knows).map(({ name }) => name))
    for (const name of loops.stored()) if (!runnable.has(name)) yield* loops.end(name)
    for (const name of revisions.keys()) {
      if (!schedules.some((schedule) => schedule.name === name)) revisions.delete(name)
    }
    for (const schedule of schedules) {
      const changed = isChanged(schedule)
      if (!loops.has(schedule.name)) {
        if (runnable.has(schedule.name)) yield* loops.begin(schedule)
      } else if (changed || hasToDecide(schedule, now, fires)) yield* loops.wake(schedule.name)
    }
  })
}

const hasToDecide = (schedule: Schedule, now: DateTime.Utc, fires: boolean) => {
  const { delayMs, nextTick, open, policy, progress, waiting } = schedule
  const isDue = nextTick !== null && DateTime.toEpochMillis(nextTick) + (delayMs ?? 0) <= DateTime.toEpochMillis(now)
  return (fires && isDue) || (waiting > 0 && open < capacity(policy.overlap)) ||
    (progress.phase === "running" && open + waiting === 0)
}

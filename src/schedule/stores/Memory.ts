/**
 * Schedules in memory: the same decisions as on Postgres, by the Clock of the program, for tests and simulation.
 *
 * Keeps every open tick and the newest 1,000 ended ones of each schedule.
 */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as LeaseTiming from "../../core/LeaseTiming.ts"
import { changed } from "../internal/place.ts"
import {
  type Advance,
  Schedule,
  ScheduleStore,
  ScheduleStoreUnavailable,
  type Tick,
  type TickKey
} from "../ScheduleStore.ts"

interface Row extends Tick {
  leaseUntil: number
  outcome: Tick["outcome"]
  detail: string | null
}

interface Known {
  place: Omit<Schedule, "open">
  /** By instant, in the order in which they were decided. */
  readonly ticks: Map<number, Row>
  readonly open: Set<Row>
}

const leaseMs = Duration.toMillis(LeaseTiming.duration)
const capacity = 1000

/**
 * @category layers
 */
export const layer: Layer.Layer<ScheduleStore> = Layer.sync(ScheduleStore, () => {
  const schedules = new Map<string, Known>()
  const row = (key: TickKey) => schedules.get(key.schedule)?.ticks.get(DateTime.toEpochMillis(key.tick))

  const close = (known: Known, tick: Row, outcome: Tick["outcome"], detail: string | null) => {
    if (!known.open.delete(tick)) return
    tick.outcome = outcome
    tick.detail = detail
  }
  const seen = (known: Known, now: number) => {
    for (const tick of known.open) if (tick.leaseUntil <= now) close(known, tick, "abandoned", "its lease ran out")
    return new Schedule({ ...known.place, open: known.open.size })
  }
  const insert = (known: Known, tick: DateTime.Utc, now: number, skipped: string | null) => {
    const at = DateTime.toEpochMillis(tick)
    if (known.ticks.has(at)) return false
    const { lastTick, name } = known.place
    const made: Row = {
      schedule: name,
      tick,
      outcome: skipped === null ? null : "skipped",
      detail: skipped,
      leaseUntil: now + leaseMs
    }
    known.ticks.set(at, made)
    if (skipped === null) known.open.add(made)
    known.place = { ...known.place, lastTick: lastTick === null ? tick : DateTime.max(lastTick, tick) }
    return true
  }
  const prune = (known: Known) => {
    for (const [at, tick] of known.ticks) {
      if (known.ticks.size - known.open.size <= capacity) return
      if (!known.open.has(tick)) known.ticks.delete(at)
    }
  }
  const write = (known: Known, advance: Advance, now: number) => {
    const fired = advance.fire.filter((tick) => insert(known, tick, now, null))
    const skipped = advance.skip.filter((tick) => insert(known, tick, now, advance.reason))
    known.place = { ...known.place, nextTick: advance.nextTick }
    prune(known)
    return {
      fired: fired.sort(oldestFirst).map((tick) => ({ schedule: known.place.name, tick })),
      skipped: skipped.length,
      // whole milliseconds, rounded up: a clock between two of them would never reach the tick
      wait: Duration.millis(Math.max(0, Math.ceil(DateTime.toEpochMillis(advance.nextTick) - now))),
      atOnce: advance.atOnce
    }
  }

  return ScheduleStore.of({
    register: (definition) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        const known = schedules.get(definition.name)
        if (known !== undefined) {
          const nextTick = changed(known.place, definition.timetable, DateTime.makeUnsafe(now))
          known.place = { ...known.place, ...definition, nextTick }
          return seen(known, now)
        }
        const nextTick = DateTime.makeUnsafe(now + definition.timetable.everyMs)
        const made: Known = { place: { ...definition, lastTick: null, nextTick }, ticks: new Map(), open: new Set() }
        schedules.set(definition.name, made)
        return seen(made, now)
      }),
    advance: (name, plan) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const known = schedules.get(name)
        return known === undefined
          ? Effect.fail(
            new ScheduleStoreUnavailable({ operation: `advance ${name}`, detail: "the schedule was never registered" })
          )
          : Effect.succeed(write(known, plan(seen(known, now), DateTime.makeUnsafe(now)), now))
      }),
    renew: (keys) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        for (const key of keys) {
          const tick = row(key)
          if (tick?.outcome === null) tick.leaseUntil = now + leaseMs
        }
      }),
    finish: (key, outcome, detail) =>
      Effect.sync(() => {
        const known = schedules.get(key.schedule)
        const tick = row(key)
        if (known !== undefined && tick !== undefined) close(known, tick, outcome, detail)
      }),
    list: Effect.map(Clock.currentTimeMillis, (now) => Array.from(schedules.values(), (known) => seen(known, now))),
    ticks: (name, limit) =>
      Effect.sync(() =>
        Array.from(schedules.get(name)?.ticks.values() ?? [])
          .sort((a, b) => oldestFirst(b.tick, a.tick))
          .slice(0, limit)
          .map(({ detail, outcome, schedule, tick }) => ({ detail, outcome, schedule, tick }))
      )
  })
})

const oldestFirst = (a: DateTime.Utc, b: DateTime.Utc) => DateTime.toEpochMillis(a) - DateTime.toEpochMillis(b)

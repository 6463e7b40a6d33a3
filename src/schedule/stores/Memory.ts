/**
 * Schedules in memory: the same decisions as on Postgres, by the Clock of the program, for tests and simulation.
 */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { changed } from "../internal/place.ts"
import { lease, Schedule, ScheduleStore, ScheduleStoreUnavailable, type Tick, type TickKey } from "../ScheduleStore.ts"

interface Row extends Tick {
  leaseUntil: number
  outcome: Tick["outcome"]
  detail: string | null
}

/**
 * @category layers
 */
export const layer: Layer.Layer<ScheduleStore> = Layer.sync(ScheduleStore, () => {
  const schedules = new Map<string, Omit<Schedule, "open">>()
  const ticks = new Map<string, Map<number, Row>>()
  const leaseMs = Duration.toMillis(lease)
  const rows = (name: string) => ticks.get(name) ?? new Map<number, Row>()
  const row = (key: TickKey) => rows(key.schedule).get(DateTime.toEpochMillis(key.tick))

  const open = (name: string, now: number) => {
    let count = 0
    for (const tick of rows(name).values()) {
      if (tick.outcome !== null) continue
      if (tick.leaseUntil > now) {
        count += 1
        continue
      }
      tick.outcome = "abandoned"
      tick.detail = "its lease ran out"
    }
    return count
  }
  const withOpen = (schedule: Omit<Schedule, "open">, now: number) =>
    new Schedule({ ...schedule, open: open(schedule.name, now) })

  return ScheduleStore.of({
    register: (definition) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        const known = schedules.get(definition.name)
        const nextTick = known === undefined
          ? DateTime.makeUnsafe(now + definition.timetable.everyMs)
          : changed(known, definition.timetable, DateTime.makeUnsafe(now))
        const schedule = { ...definition, lastTick: known?.lastTick ?? null, nextTick }
        schedules.set(definition.name, schedule)
        return withOpen(schedule, now)
      }),
    advance: (name, plan) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const known = schedules.get(name)
        if (known === undefined) {
          return Effect.fail(
            new ScheduleStoreUnavailable({ operation: `advance ${name}`, detail: "the schedule was never registered" })
          )
        }
        const advance = plan(withOpen(known, now), DateTime.makeUnsafe(now))
        const fired: Array<TickKey> = []
        let skipped = 0
        const table = rows(name)
        ticks.set(name, table)
        for (const tick of advance.fire) {
          const at = DateTime.toEpochMillis(tick)
          if (table.has(at)) continue
          table.set(at, { schedule: name, tick, outcome: null, detail: null, leaseUntil: now + leaseMs })
          fired.push({ schedule: name, tick })
        }
        for (const tick of advance.skip) {
          const at = DateTime.toEpochMillis(tick)
          if (table.has(at)) continue
          table.set(at, { schedule: name, tick, outcome: "skipped", detail: advance.reason, leaseUntil: 0 })
          skipped += 1
        }
        const newest = Math.max(...table.keys())
        schedules.set(name, {
          ...known,
          lastTick: table.size === 0 ? known.lastTick : DateTime.makeUnsafe(newest),
          nextTick: advance.nextTick
        })
        const wait = Duration.millis(Math.max(0, DateTime.toEpochMillis(advance.nextTick) - now))
        return Effect.succeed({ fired, skipped, wait })
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
        const tick = row(key)
        if (tick?.outcome !== null) return
        tick.outcome = outcome
        tick.detail = detail
      }),
    list: Effect.map(
      Clock.currentTimeMillis,
      (now) => Array.from(schedules.values(), (schedule) => withOpen(schedule, now))
    ),
    ticks: (name, limit) =>
      Effect.sync(() =>
        Array.from(rows(name).values())
          .sort((a, b) => DateTime.toEpochMillis(b.tick) - DateTime.toEpochMillis(a.tick))
          .slice(0, limit)
          .map(({ detail, outcome, schedule, tick }) => ({ detail, outcome, schedule, tick }))
      )
  })
})

/** Places for schedules with one mistake each, made of one without. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { MemoryScheduleStore, ScheduleStore } from "ostinato/schedule"

type Store = ScheduleStore.ScheduleStore["Service"]

const made = (mistake: (store: Store) => Partial<Store>) =>
  Layer.effect(
    ScheduleStore.ScheduleStore,
    Effect.map(ScheduleStore.ScheduleStore, (store) => ({ ...store, ...mistake(store) }))
  ).pipe(Layer.provide(MemoryScheduleStore.layer))

/** Decides on what it read a moment ago, and takes every tick for new. */
export const ticksWithoutUnique = made((store) => ({
  advance: Effect.fnUntraced(function*(name, plan) {
    let decided: ScheduleStore.Advance | undefined
    yield* store.advance(name, (schedule, now) => {
      decided = plan(schedule, now)
      return { ...decided, fire: [], skip: [], nextTick: schedule.nextTick }
    })
    const advanced = yield* store.advance(name, (schedule) => ({
      ...decided!,
      nextTick: DateTime.max(decided!.nextTick, schedule.nextTick)
    }))
    return { ...advanced, fired: decided!.fire.map((tick) => ({ schedule: name, tick })) }
  })
}))

/** Moves the place of a schedule in one transaction, and writes its ticks in another. */
export const placeBeforeTicks = made((store) => ({
  advance: Effect.fnUntraced(function*(name, plan) {
    let decided: ScheduleStore.Advance | undefined
    yield* store.advance(name, (schedule, now) => {
      decided = plan(schedule, now)
      return { ...decided, fire: [], skip: [] }
    })
    return yield* store.advance(name, (schedule) => ({ ...decided!, nextTick: schedule.nextTick }))
  })
}))

/** Forgets to keep the leases of running ticks. */
export const neverRenews = made(() => ({ renew: () => Effect.void }))

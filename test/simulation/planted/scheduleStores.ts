/** Places for schedules with one mistake each, made of one without. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { MemoryScheduleStore, ScheduleStore } from "ostinato/schedule"

type Store = ScheduleStore.ScheduleStore["Service"]
type Plan<P> = (situation: ScheduleStore.Situation) => Effect.Effect<P>

const made = (mistake: (store: Store) => Partial<Store>) =>
  Layer.effect(
    ScheduleStore.ScheduleStore,
    Effect.map(ScheduleStore.ScheduleStore, (store) => ({ ...store, ...mistake(store) }))
  ).pipe(Layer.provide(MemoryScheduleStore.layer))

/** Writes nothing, and tells what there is. */
const reading = (situation: ScheduleStore.Situation) => {
  const { now, schedule: { delayMs, nextTick, paused, progress } } = situation
  const nothing = { record: [], skip: [], start: [], stop: [], abandon: [] }
  return { ...nothing, place: { nextTick, progress }, delayMs, paused, wakeAt: now, situation }
}

/** Decides on what it read a moment ago, and takes every tick for new. */
export const ticksWithoutUnique = made((store) => ({
  advance: Effect.fnUntraced(function*<P extends ScheduleStore.Advance>(name: string, plan: Plan<P>) {
    const { plan: { situation } } = yield* store.advance(name, (situation) => Effect.succeed(reading(situation)))
    const decided = yield* plan(situation)
    const written = yield* store.advance(name, () => Effect.succeed(decided))
    return { ...written, started: decided.start.map((tick) => ({ schedule: name, tick, epoch: 1, asked: null })) }
  }),
  begin: (claim) => Effect.as(store.begin(claim), true)
}))

/** Moves the place of a schedule in one transaction, and writes its ticks in another, a round trip later. */
export const placeBeforeTicks = made((store) => ({
  advance: Effect.fnUntraced(function*<P extends ScheduleStore.Advance>(name: string, plan: Plan<P>) {
    const moved = yield* store.advance(name, (situation) =>
      Effect.map(plan(situation), (decided) => {
        const { delayMs, place } = decided
        return { ...reading(situation), place, delayMs, decided }
      }))
    yield* Effect.sleep(1)
    return yield* store.advance(name, () => Effect.succeed(moved.plan.decided))
  })
}))

/** Forgets to keep the leases of running ticks. */
export const neverRenews = made(() => ({ renew: () => Effect.succeed({ lost: [], stop: [] }) }))

/** Lets work begin whose claim was lost while its node was held up. */
export const beginsUnfenced = made((store) => ({
  begin: (claim) => Effect.as(store.begin(claim), true)
}))

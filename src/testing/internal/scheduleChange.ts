/** What the facts about schedule stores share: a schedule, a change to it, and what is seen of it. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { NextRunId } from "../../core/TaskRun.ts"
import * as SchedulePolicy from "../../schedule/SchedulePolicy.ts"
import { type Advance, type Definition, ScheduleStore, type Situation } from "../../schedule/ScheduleStore.ts"
import * as Timetable from "../../schedule/Timetable.ts"

export class Full extends Schema.TaggedError<Full>()("Full", {}) {
  override get message() {
    return "the queue is full"
  }
}

const hourly = Timetable.every("1 hour")

export const named = (name: string, change?: Partial<Definition>): Definition => ({
  name,
  task: "suite.task",
  timetable: hourly,
  policy: SchedulePolicy.standard,
  source: "code",
  tenant: null,
  payload: null,
  ...change
})

const fresh = Effect.map(Effect.flatten(NextRunId), (id) => `suite.${id}`)

export const register = Effect.fnUntraced(function*(change?: Partial<Definition>) {
  const store = yield* ScheduleStore
  const schedule = yield* store.register(named(yield* fresh, change))
  return { schedule, name: schedule.name, nextTick: schedule.nextTick ?? DateTime.makeUnsafe(0) }
})

/** Writes this and leaves everything else as it is. */
export const change =
  (advance: (situation: Situation) => Partial<Advance>) => (situation: Situation): Effect.Effect<Advance> =>
    Effect.sync(() => ({
      record: [],
      skip: [],
      start: [],
      stop: [],
      abandon: [],
      place: situation.schedule,
      delayMs: situation.schedule.delayMs,
      paused: situation.schedule.paused,
      wakeAt: situation.schedule.nextTick ?? situation.now,
      ...advance(situation)
    }))

export const keep = change(() => ({}))

/** Records ticks and takes as many of them. */
export const fire = (ticks: ReadonlyArray<DateTime.Utc>, take = ticks.length) =>
  change(() => ({ record: ticks.map((tick) => ({ tick, asked: null })), start: ticks.slice(0, take) }))

export const minutesAfter = (at: DateTime.Utc, ...minutes: ReadonlyArray<number>) =>
  minutes.map((minutes) => DateTime.add(at, { minutes }))

export const millis = (ticks: ReadonlyArray<{ readonly tick: DateTime.Utc }>) =>
  ticks.map(({ tick }) => DateTime.toEpochMillis(tick))

export const outcomes = (name: string) =>
  Effect.gen(function*() {
    const store = yield* ScheduleStore
    return (yield* store.ticks(name, 10)).map((tick) => tick.outcome)
  })

export const unfinished = (name: string) =>
  Effect.gen(function*() {
    const store = yield* ScheduleStore
    let seen: Situation["unfinished"] = []
    yield* store.advance(
      name,
      change((situation) => {
        seen = situation.unfinished
        return {}
      })
    )
    return seen
  })

/**
 * What a schedule does now: the one decision behind every tick, manual run, pause and resume.
 *
 * Pure: (timetable, place, policy, unfinished work, time, a random number) -> what to write. The store applies it in one
 * transaction, so of several nodes that decide at once the second sees what the first has written.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import { timetableOf } from "./internal/place.ts"
import { capacity } from "./SchedulePolicy.ts"
import type { Advance, Schedule, Situation } from "./ScheduleStore.ts"
import type { Asked, Unfinished } from "./Tick.ts"
import * as Timetable from "./Timetable.ts"

/**
 * What is asked.
 *
 * @category models
 */
export interface Question {
  /** The timetable as the code has it; needed where it is an Effect `Schedule`. */
  readonly timetable?: Timetable.Timetable | undefined
  /** Whether ticks of the timetable are fired: not where a process has its schedules disabled. */
  readonly fires: boolean
  /** One run besides the timetable: at a start, unless a tick is due then, or because somebody asks. */
  readonly extra?: "start" | Asked | undefined
  /** Pauses the schedule or ends its pause. */
  readonly paused?: boolean | undefined
  /** Whether the caller can run ticks. Defaults to `true`. */
  readonly runs?: boolean | undefined
  /** From 0 to 1, for the jitter. */
  readonly random: number
}

/**
 * @category models
 */
export interface Decision extends Advance {
  /** Ticks that no run will make up for. At most 1,000 at once are counted. */
  readonly missed: number
  /** What became of the extra run. */
  readonly extra: { readonly tick: DateTime.Utc; readonly skipped: string | null; readonly starts: boolean } | null
}

/** One that was asked to stop and has not after this long is given up: its node has had a heartbeat and its grace. */
const patience = 10_000

/**
 * @category combinators
 */
export const decide = (question: Question) => (situation: Situation): Effect.Effect<Decision> =>
  Effect.suspend(() => {
    const { now, schedule } = situation
    const timetable = timetableOf(schedule.timetable, question.timetable)
    const paused = question.paused ?? schedule.paused
    const delayMs = schedule.delayMs ?? Math.floor(question.random * schedule.policy.jitterMs)
    const looks = timetable !== undefined && (question.fires || question.paused === false)
    const passed = looks
      ? Timetable.due(timetable, placeOf(schedule), DateTime.subtract(now, { milliseconds: delayMs }), 1000)
      : { due: [], late: false, place: placeOf(schedule) }
    // what came during a pause is passed over, also what came unseen before its end
    const drops = paused || schedule.paused
    const wanted = drops ? [] : wantedOf(passed, schedule)
    const extra = extraOf(question, situation, wanted, passed.place)
    const fresh = [...wanted.map((tick) => ({ tick, asked: null })), ...(extra === undefined ? [] : [extra])]
    const overlap = overlapOf(situation, fresh, (tick) =>
      question.runs !== false && (tick.asked !== null || (question.fires && !paused)))
    const skipped = overlap.skip.find(({ tick }) =>
      tick === extra?.tick
    )
    return Effect.map(ended(timetable, passed.place, situation, overlap.record), (place) => {
      const isMoved = !isSame(place.nextTick, schedule.nextTick)
      const delay = isMoved ? Math.floor(question.random * schedule.policy.jitterMs) : delayMs
      return {
        ...overlap,
        place,
        delayMs: delay,
        paused,
        missed: drops ? 0 : passed.due.length - wanted.length,
        extra: extra === undefined ? null : {
          tick: extra.tick,
          skipped: skipped?.reason ?? null,
          starts: overlap.start.includes(extra.tick)
        },
        wakeAt: wakeAt(situation, question.fires ? place : undefined, delay, overlap)
      }
    })
  })

const placeOf = ({ nextTick, progress }: Schedule): Timetable.Place => ({ nextTick, progress })

const wantedOf = ({ due, late }: Timetable.Due, { policy: { missed } }: Schedule): ReadonlyArray<DateTime.Utc> =>
  missed === "skip" && late ? [] : due.slice(-(typeof missed === "object" ? Math.max(1, missed.all) : 1))

/** An instant of its own: after every tick that there was, and none that the timetable will give next. */
const extraOf = (
  { extra }: Question,
  { now, schedule }: Situation,
  wanted: ReadonlyArray<DateTime.Utc>,
  { nextTick }: Timetable.Place
) => {
  if (extra === undefined || (extra === "start" && (wanted.length > 0 || schedule.paused))) return undefined
  const newest = Math.max(-1, ...[schedule.lastTick, ...wanted].map((tick) => tick === null ? -1 : millis(tick)))
  const free = Math.max(Math.floor(millis(now)), newest + 1)
  const tick = DateTime.makeUnsafe(nextTick !== null && millis(nextTick) === free ? free + 1 : free)
  return { tick, asked: extra === "start" ? null : extra }
}

type Fresh = { readonly tick: DateTime.Utc; readonly asked: Asked | null }
type Overlapped = Pick<Advance, "record" | "skip" | "start" | "stop" | "abandon">

const overlapOf = (
  { schedule: { policy: { overlap } }, unfinished }: Situation,
  fresh: ReadonlyArray<Fresh>,
  mayStart: (tick: Fresh) => boolean
): Overlapped => {
  const waiting = unfinished.filter((tick) => tick.state === "waiting")
  const working = unfinished.filter((tick) => tick.state !== "waiting")
  const replaces = overlap === "replace" && unfinished.length > 0 && fresh.length > 0
  const record = replaces ? fresh.slice(-1) : fresh.slice(0, room(overlap, working.length, waiting.length))
  const outdated = replaces ? [...waiting, ...fresh.slice(0, -1)] : []
  const refused = replaces ? [] : fresh.slice(record.length)
  const abandon = overlap === "replace" && waiting.length + record.length > 0
    ? working.filter((tick) => (tick.stoppingMs ?? 0) >= patience)
    : []
  const free = Math.max(0, capacity(overlap) - working.length + abandon.length)
  const ready = [...waiting.filter((tick) => !outdated.includes(tick)), ...record].filter(mayStart)
  return {
    record,
    skip: [
      ...outdated.map(({ tick }) => ({ tick, reason: "replaced by a newer tick" })),
      ...refused.map(({ tick }) => ({ tick, reason: held(working.length, waiting.length) }))
    ],
    start: ready.slice(0, free).map(({ tick }) => tick),
    stop: replaces ? working.filter((tick) => tick.stoppingMs === null).map(({ tick }) => tick) : [],
    abandon: abandon.map(({ tick }) => tick)
  }
}

/** How many more ticks are taken. Ticks that are caught up together follow one another where nothing is in their way. */
const room = (overlap: Schedule["policy"]["overlap"], working: number, waiting: number): number =>
  working + waiting === 0 || (typeof overlap === "object" && working + waiting < capacity(overlap))
    ? Infinity
    : overlap === "queue-one" && waiting === 0
    ? 1
    : 0

const held = (working: number, waiting: number) =>
  `lock held: ${working} earlier run(s) have not ended${waiting === 0 ? "" : `, ${waiting} wait`}`

/** A timetable that counts from the end of a run goes on where that run is not under way, however it ended. */
const ended = (
  timetable: Timetable.Timetable | undefined,
  place: Timetable.Place,
  { now, unfinished }: Situation,
  record: ReadonlyArray<Fresh>
): Effect.Effect<Timetable.Place> => {
  const isUnderWay = [...unfinished, ...record].some(({ tick }) => millis(tick) === place.progress.tick)
  return timetable === undefined || place.progress.phase !== "running" || isUnderWay
    ? Effect.succeed(place)
    : Timetable.afterRun(timetable, place, now)
}

const wakeAt = (
  { now, unfinished }: Situation,
  place: Timetable.Place | undefined,
  delayMs: number,
  { record, stop }: Overlapped
): DateTime.Utc => {
  const at = millis(now)
  const giveUp = (tick: Unfinished) => tick.stoppingMs === null ? Infinity : at + patience - tick.stoppingMs
  const next = place?.nextTick === null || place === undefined ? Infinity : millis(place.nextTick) + delayMs
  const hurry = unfinished.some(({ state }) => state === "waiting") || record.length > 0
    ? Math.min(...unfinished.map(giveUp), stop.length > 0 ? at + patience : Infinity)
    : Infinity
  return DateTime.makeUnsafe(Math.max(at, Math.min(next, hurry, at + aDay)))
}

const aDay = 86_400_000
const millis = DateTime.toEpochMillis
const isSame = (a: DateTime.Utc | null, b: DateTime.Utc | null) =>
  a === null || b === null ? a === b : millis(a) === millis(b)

/**
 * Schedules in memory: the same decisions as on Postgres, by the Clock of the program, for tests and simulation.
 *
 * Keeps every tick that has not ended and the newest 1,000 ended ones of each schedule.
 */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as LeaseTiming from "../../core/LeaseTiming.ts"
import { fromCause } from "../../core/TaskError.ts"
import * as place from "../internal/place.ts"
import {
  type Advance,
  type Definition,
  Schedule,
  ScheduleNotFound,
  ScheduleStore,
  ScheduleTaken
} from "../ScheduleStore.ts"
import type { Asked, Claim, Tick, TickKey, Unfinished } from "../Tick.ts"
import * as Timetable from "../Timetable.ts"

interface Row extends Tick {
  readonly asked: Asked | null
  outcome: Tick["outcome"]
  detail: string | null
  epoch: number
  /** Of the claim; none where it waits. */
  leaseUntil: number | null
  isBegun: boolean
  stopAt: number | null
}

type Place = Omit<Schedule, "open" | "waiting" | "orphaned">

interface Known {
  place: Place
  /** By instant, in the order in which they were decided. */
  readonly ticks: Map<number, Row>
  readonly open: Set<Row>
  seenUntil: number
  /** Rises with every change that a decision could have seen. */
  changes: number
}

const leaseMs = Duration.toMillis(LeaseTiming.duration)
const capacity = 1000
const millis = DateTime.toEpochMillis

/**
 * @category layers
 */
export const layer: Layer.Layer<ScheduleStore> = Layer.sync(ScheduleStore, () => {
  const schedules = new Map<string, Known>()
  const row = (key: TickKey) => schedules.get(key.schedule)?.ticks.get(millis(key.tick))
  const held = (claim: Claim) => {
    const found = row(claim)
    return found !== undefined && found.outcome === null && found.leaseUntil !== null && found.epoch === claim.epoch
      ? found
      : undefined
  }

  const touch = ({ schedule }: Claim) => {
    const known = schedules.get(schedule)
    if (known !== undefined) known.changes += 1
  }

  const register = Effect.fnUntraced(function*(definition: Definition) {
    const now = yield* DateTime.now
    const known = schedules.get(definition.name)
    if (known !== undefined && (known.place.source !== definition.source || known.place.tenant !== definition.tenant)) {
      return yield* new ScheduleTaken({ name: definition.name })
    }
    const stands = known === undefined
      ? yield* Timetable.first(definition.timetable, now)
      : yield* place.changed(known.place, definition.timetable, now)
    const made = { ...definition, ...stands, timetable: Timetable.stored(definition.timetable) }
    if (known === undefined) {
      const fresh = { ...made, paused: false, revision: 1, lastTick: null, delayMs: null }
      const entry: Known = {
        place: fresh,
        ticks: new Map(),
        open: new Set(),
        seenUntil: millis(now) + leaseMs,
        changes: 0
      }
      schedules.set(definition.name, entry)
      return seen(entry, millis(now))
    }
    const { delayMs, lastTick, paused, revision } = known.place
    const isSame = Equal.equals(
      [made.task, made.timetable, made.policy, made.payload],
      [known.place.task, known.place.timetable, known.place.policy, known.place.payload]
    )
    known.place = {
      ...made,
      paused,
      lastTick,
      revision: isSame ? revision : revision + 1,
      delayMs: isSame ? delayMs : null
    }
    known.seenUntil = Math.max(known.seenUntil, millis(now) + leaseMs)
    known.changes += 1
    return seen(known, millis(now))
  })

  const finish = (claim: Claim, outcome: NonNullable<Tick["outcome"]>, detail: string | null) =>
    Effect.sync(() => {
      const known = schedules.get(claim.schedule)
      const tick = held(claim)
      if (known === undefined) return false
      if (tick !== undefined) close(known, tick, outcome, detail)
      return Array.from(known.open).some(isWaiting) || known.place.progress.phase === "running"
    })

  return ScheduleStore.of({
    register,
    remove: (name) => Effect.sync(() => schedules.delete(name)),
    advance: Effect.fnUntraced(function*(name, plan, enqueue) {
      // a decision that another one or the end of a tick has overtaken is made again
      while (true) {
        const now = yield* Clock.currentTimeMillis
        const known = schedules.get(name)
        if (known === undefined) return yield* new ScheduleNotFound({ name })
        sweep(known, now)
        const { changes } = known
        const schedule = seen(known, now)
        const unfinished = Array.from(known.open, (tick) => shown(tick, now)).sort(oldestFirst)
        const advance = yield* plan({ schedule, unfinished, now: DateTime.makeUnsafe(now) })
        if (schedules.get(name) !== known || known.changes !== changes) continue
        // whole milliseconds, rounded up: a clock between two of them would never reach the tick
        const wait = Duration.millis(Math.max(0, Math.ceil(millis(advance.wakeAt) - now)))
        const { skipped, started } = write(known, advance, now)
        const kept = yield* Effect.filter(
          started,
          (claim) => Effect.map(handedOver(known, claim, enqueue?.(claim, schedule)), (done) => !done)
        )
        return { schedule, plan: advance, started: kept, skipped, enqueued: started.length - kept.length, wait }
      }
    }),
    begin: (claim) =>
      Effect.sync(() => {
        const tick = held(claim)
        if (tick === undefined) return false
        tick.isBegun = true
        touch(claim)
        return true
      }),
    release: (claim) =>
      Effect.sync(() => {
        const tick = held(claim)
        if (tick === undefined) return
        tick.leaseUntil = null
        tick.isBegun = false
        touch(claim)
      }),
    renew: (claims) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        const kept = claims.flatMap((claim) => held(claim) ?? [])
        for (const tick of kept) tick.leaseUntil = now + leaseMs
        return {
          lost: claims.filter((claim) => held(claim) === undefined && row(claim) !== undefined),
          stop: kept.filter((tick) => tick.stopAt !== null)
        }
      }),
    finish,
    // nobody outside this process changes anything: only a clock that was set is to be noticed
    poll: Duration.minutes(1),
    look: (mine, hold) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        for (const name of mine) {
          const known = schedules.get(name)
          if (known !== undefined) known.seenUntil = now + Duration.toMillis(hold)
        }
        return { schedules: all(schedules, now), now: DateTime.makeUnsafe(now) }
      }),
    list: Effect.map(Clock.currentTimeMillis, (now) => all(schedules, now)),
    ticks: (name, limit) =>
      Effect.sync(() =>
        Array.from(schedules.get(name)?.ticks.values() ?? [])
          .sort((a, b) => oldestFirst(b, a))
          .slice(0, limit)
          .map(({ detail, outcome, schedule, tick }) => ({ detail, outcome, schedule, tick }))
      )
  })
})

const all = (schedules: ReadonlyMap<string, Known>, now: number) =>
  Array.from(schedules.values(), (known) => seen(known, now)).sort((a, b) => a.name < b.name ? -1 : 1)

const isWaiting = (tick: Row) => tick.leaseUntil === null

const isLost = (tick: Row, now: number) => tick.leaseUntil !== null && tick.leaseUntil <= now

const seen = (known: Known, now: number) => {
  const open = Array.from(known.open)
  return new Schedule({
    ...known.place,
    orphaned: known.seenUntil <= now,
    open: open.filter((tick) => !isWaiting(tick) && !isLost(tick, now)).length,
    waiting: open.filter((tick) => isWaiting(tick) || isLost(tick, now)).length
  })
}

const shown = (tick: Row, now: number): Unfinished => ({
  tick: tick.tick,
  state: isWaiting(tick) ? "waiting" : tick.isBegun ? "running" : "claimed",
  stoppingMs: tick.stopAt === null ? null : now - tick.stopAt,
  asked: tick.asked
})

const close = (known: Known, tick: Row, outcome: Tick["outcome"], detail: string | null) => {
  if (!known.open.delete(tick)) return
  known.changes += 1
  tick.outcome = outcome
  tick.detail = detail
}

const sweep = (known: Known, now: number) => {
  for (const tick of known.open) {
    if (!isLost(tick, now)) continue
    if (tick.isBegun) close(known, tick, "abandoned", "its lease ran out")
    else tick.leaseUntil = null
  }
}

const insert = (known: Known, tick: DateTime.Utc, asked: Asked | null) => {
  if (known.ticks.has(millis(tick))) return undefined
  const { lastTick, name } = known.place
  const made: Row = {
    schedule: name,
    tick,
    asked,
    outcome: null,
    detail: null,
    epoch: 0,
    leaseUntil: null,
    isBegun: false,
    stopAt: null
  }
  known.ticks.set(millis(tick), made)
  known.open.add(made)
  known.place = { ...known.place, lastTick: lastTick === null ? tick : DateTime.max(lastTick, tick) }
  return made
}

const write = (known: Known, advance: Advance, now: number) => {
  known.changes += 1
  for (const { asked, tick } of advance.record) insert(known, tick, asked)
  const skipped = advance.skip.filter(({ reason, tick }) => {
    const at = known.ticks.get(millis(tick)) ?? insert(known, tick, null)
    if (at === undefined || at.outcome !== null || !isWaiting(at)) return false
    close(known, at, "skipped", reason)
    return true
  })
  for (const tick of advance.stop) {
    const at = known.ticks.get(millis(tick))
    if (at !== undefined) at.stopAt ??= now
  }
  for (const tick of advance.abandon) {
    const at = known.ticks.get(millis(tick))
    if (at !== undefined) close(known, at, "abandoned", "it did not stop in time")
  }
  const started = advance.start.flatMap((tick): ReadonlyArray<Claim> => {
    const at = known.ticks.get(millis(tick))
    if (at === undefined || at.outcome !== null || !isWaiting(at)) return []
    at.leaseUntil = now + leaseMs
    at.epoch += 1
    return [{ schedule: known.place.name, tick, epoch: at.epoch, asked: at.asked }]
  })
  const { delayMs, paused, place: { nextTick, progress } } = advance
  const revision = known.place.revision + (paused === known.place.paused ? 0 : 1)
  known.place = { ...known.place, nextTick, progress, delayMs, paused, revision }
  prune(known)
  return { started: started.sort(oldestFirst), skipped: skipped.length }
}

const handedOver = Effect.fnUntraced(
  function*(known: Known, claim: Claim, work: Effect.Effect<unknown, unknown> | undefined) {
    const tick = known.ticks.get(millis(claim.tick))
    if (work === undefined || tick === undefined) return false
    const exit = yield* Effect.exit(work)
    close(
      known,
      tick,
      Exit.isSuccess(exit) ? "completed" : "failed",
      Exit.isSuccess(exit) ? null : fromCause(exit.cause).message
    )
    return true
  }
)

const prune = (known: Known) => {
  for (const [at, tick] of known.ticks) {
    if (known.ticks.size - known.open.size <= capacity) return
    if (!known.open.has(tick)) known.ticks.delete(at)
  }
}

const oldestFirst = (a: { readonly tick: DateTime.Utc }, b: { readonly tick: DateTime.Utc }) =>
  millis(a.tick) - millis(b.tick)

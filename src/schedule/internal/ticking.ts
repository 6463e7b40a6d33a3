/**
 * One decision after another about one schedule, each committed before its work begins.
 *
 * A decision and the ticks that it starts are one piece of work in flight: what is committed is run, and a store that does
 * not answer holds up a stop for no longer than the drain.
 */
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Metric from "effect/Metric"
import * as Random from "effect/Random"
import type * as Drain from "../../core/Drain.ts"
import type * as Sleeper from "../../core/Sleeper.ts"
import * as Decide from "../Decide.ts"
import type { Advanced, ScheduleNotFound, ScheduleStore, ScheduleStoreUnavailable } from "../ScheduleStore.ts"
import { dispatched, replaced, succeeded, type TickRunner } from "../TickRunner.ts"
import type { Entry } from "./entry.ts"
import type { Outage } from "./outage.ts"

export type Decided = Advanced<Decide.Decision>

export interface Ticking<R> {
  readonly store: ScheduleStore["Service"]
  readonly runner: TickRunner
  readonly context: Context.Context<R>
  readonly drain: Drain.Drain
  /** Whether ticks of timetables are fired. */
  readonly fires: boolean
}

// no timer is longer, whatever the timetable
const aDay = Duration.days(1)

const skippedTotal = Metric.counter("ostinato_schedule_skipped_total", {
  description: "Ticks that were not run because earlier work had not ended",
  incremental: true
})
const missedTotal = Metric.counter("ostinato_schedule_missed_total", {
  description: "Ticks that came while no process could fire them and that no run makes up for",
  incremental: true
})

/**
 * Decides, and runs what the decision starts, detached. Gives the decision, or nothing where work is accepted no more, and
 * an end that comes when its work has ended.
 */
export const ask = Effect.fnUntraced(function*<R>(
  ticking: Ticking<R>,
  entry: Entry<R>,
  question: Pick<Decide.Question, "extra">
) {
  const decided = yield* Deferred.make<Decided, ScheduleStoreUnavailable | ScheduleNotFound>()
  const ended = yield* Deferred.make<void>()
  const own: (caller: Context.Context<never>) => Context.Context<R> = () => ticking.context
  const piece = Effect.ensuring(decideAndRun(ticking, entry, question, decided), Deferred.succeed(ended, undefined))
  // nothing of whoever asks, such as an open transaction, goes into the work
  const accepted = yield* ticking.drain.fork(
    entry.name,
    Effect.updateContext(piece, own)
  )
  return accepted ? { ...(yield* Deferred.await(decided)), ended: Deferred.await(ended) } : undefined
})

/** What the loop of a schedule still owes, also when it breaks and begins anew. */
interface Owed {
  /** The extra run at a start. */
  atStart: boolean
}

/** The loop of one schedule, until it is interrupted or the schedule is gone. */
export const loop = <R>(ticking: Ticking<R>, entry: Entry<R>, sleeper: Sleeper.Sleeper, outage: Outage, owed: Owed) => {
  const next = Effect.suspend(() => ask(ticking, entry, owed.atStart ? { extra: "start" } : {})).pipe(
    outage.patient,
    Effect.flatMap((decided) => {
      owed.atStart = false
      return sleeper.sleep(decided === undefined ? aDay : Duration.min(decided.wait, aDay))
    })
  )
  return Effect.forever(next)
}

const decideAndRun = <R>(
  { context, fires, runner, store }: Ticking<R>,
  entry: Entry<R>,
  question: Pick<Decide.Question, "extra">,
  decided: Deferred.Deferred<Decided, ScheduleStoreUnavailable | ScheduleNotFound>
) =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(Effect.gen(function*() {
        yield* runner.renew
        const random = yield* Random.next
        return yield* store.advance(
          entry.name,
          Decide.decide({ ...question, timetable: entry.timetable, fires, random }),
          (claim, schedule) =>
            entry.mode(schedule) === "enqueue"
              ? Effect.provideContext(dispatched(entry.start, claim, schedule), context)
              : undefined
        )
      }))
      yield* Deferred.done(decided, exit)
      if (Exit.isFailure(exit)) return
      const { plan, schedule, started } = exit.value
      const keys = (ticks: Decide.Decision["stop"]) => ticks.map((tick) => ({ schedule: schedule.name, tick }))
      yield* runner.stop(keys(plan.stop), replaced)
      yield* runner.stop(keys(plan.abandon), "it did not stop in time")
      yield* told(exit.value)
      yield* restore(runner.run(schedule, started, entry.start, entry.asks(schedule)))
    })
  )

const told = ({ enqueued, plan, schedule: { name }, skipped }: Decided) =>
  Effect.gen(function*() {
    if (enqueued > 0) yield* succeeded(name)
    if (skipped > 0) {
      yield* Effect.logWarning(`schedule ${name} skipped ${skipped} tick(s): earlier work has not ended`)
      yield* Metric.update(Metric.withAttributes(skippedTotal, { schedule: name }), skipped)
    }
    if (plan.missed > 0) {
      yield* Effect.logWarning(`schedule ${name} missed ${plan.missed} tick(s): no process fired them in time`)
      yield* Metric.update(Metric.withAttributes(missedTotal, { schedule: name }), plan.missed)
    }
  })

/**
 * Runs the ticks that this process has claimed, and keeps their leases.
 *
 * A tick begins only while its claim holds, and is closed in the store however its work ends. Work whose lease can no
 * longer be kept is interrupted before another node may take the tick for abandoned: the lease lasts 30 s, is renewed
 * every 5 s, and work is interrupted when no renewal has succeeded for 22 s.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import type { RunRef } from "../core/Dispatch.ts"
import * as LeaseTiming from "../core/LeaseTiming.ts"
import * as RetryPolicy from "../core/RetryPolicy.ts"
import { RunContext } from "../core/RunContext.ts"
import { RunGate } from "../core/RunGate.ts"
import { RunLog } from "../core/RunLog.ts"
import * as Sleeper from "../core/Sleeper.ts"
import { fromCause, TaskSkipped } from "../core/TaskError.ts"
import type { Trigger } from "../core/TaskRun.ts"
import type { Schedule, ScheduleStore } from "./ScheduleStore.ts"
import type { Claim, TickKey, TickOutcome } from "./Tick.ts"

/** Starts the work of a tick. */
export type Start<R> = (trigger: Trigger, schedule: Schedule) => Effect.Effect<RunRef<unknown, unknown>, unknown, R>

export interface TickRunner {
  /** Runs claimed ticks at the same time. Interrupting it interrupts them; those that have not begun wait again. */
  readonly run: <R>(
    schedule: Schedule,
    claims: ReadonlyArray<Claim>,
    start: Start<R>,
    /** Whether `start` asks the `RunGate`: then the tick begins with its run, else before `start` is called. */
    asks: boolean
  ) => Effect.Effect<void, never, R>
  /** Asks the work of ticks to stop, where this process has it. */
  readonly stop: (keys: ReadonlyArray<TickKey>, reason: string) => Effect.Effect<void>
  /** Renews what this process holds. Before a decision, so that a process that slept does not abandon its own work. */
  readonly renew: Effect.Effect<void>
  /** The loop that renews; to be supervised. */
  readonly heartbeat: Effect.Effect<never>
}

interface Held {
  readonly claim: Claim
  readonly stop: Deferred.Deferred<string>
  renewedAt: bigint
}

const giveUpAfter = Duration.toNanosUnsafe(Duration.seconds(22))
const slept = Duration.toNanosUnsafe(Duration.seconds(1))
const keyOf = ({ schedule, tick }: TickKey) => `${DateTime.toEpochMillis(tick)} ${schedule}`

const lastSuccess = Metric.gauge("ostinato_schedule_last_success_timestamp_seconds", {
  description: "When a tick of the schedule last ended well, as seconds since 1970"
})

export const make = (
  store: ScheduleStore["Service"],
  /** A tick has ended and its schedule has something to decide. */
  ended: (schedule: string) => Effect.Effect<void>
): TickRunner => {
  const held = new Map<string, Held>()
  let wake: Effect.Effect<void> = Effect.void

  const stop = (keys: ReadonlyArray<TickKey>, reason: string, among: ReadonlyMap<string, Held> = held) =>
    Effect.forEach(keys, (key) => {
      const found = among.get(keyOf(key))
      return found === undefined ? Effect.void : Deferred.succeed(found.stop, reason)
    }, { discard: true })

  // the tick may have been claimed here again
  const drop = (one: Held) => Effect.sync(() => held.get(keyOf(one.claim)) === one && held.delete(keyOf(one.claim)))

  const renew = Effect.gen(function*() {
    if (held.size === 0) return
    const mine = new Map(held)
    const before = yield* Clock.monotonicTimeNanos
    const { lost, stop: asked } = yield* store.renew(Array.from(mine.values(), ({ claim }) => claim))
    for (const one of mine.values()) one.renewedAt = before
    yield* stop(lost, "its lease ran out", mine)
    yield* stop(asked, replaced, mine)
  })

  // on its own clock: a renewal that does not answer must not hold it up
  const watched = (one: Held, wasLate = false): Effect.Effect<never> =>
    Effect.flatMap(Clock.monotonicTimeNanos, (now) => {
      const left = one.renewedAt + giveUpAfter - now
      if (left > 0n) return Effect.delay(Effect.suspend(() => watched(one)), Duration.nanos(left))
      // a process that slept may still have its lease, and the heartbeat asks
      return left < -slept && !wasLate
        ? Effect.delay(Effect.suspend(() => watched(one, true)), "4 seconds")
        : Effect.andThen(Deferred.succeed(one.stop, "its lease could not be kept"), Effect.never)
    })

  const beat = Effect.timeoutOrElse(renew, {
    duration: "2 seconds",
    orElse: () => Effect.fail({ message: "schedules: leases were not renewed in time" })
  }).pipe(Effect.catch((error) => Effect.logWarning(error.message)))

  const finish = ({ claim }: Held, outcome: TickOutcome, detail: string | null) =>
    store.finish(claim, outcome, detail).pipe(
      // meanwhile it is renewed as soon as the store is back, so its end is not lost to an outage
      Effect.retry(RetryPolicy.patient("5 minutes")),
      Effect.flatMap((decide) => decide ? ended(claim.schedule) : Effect.void),
      Effect.catchCause((cause) =>
        Effect.logError(`the end of a tick of ${claim.schedule} could not be recorded`, cause)
      )
    )

  const work = <R>(schedule: Schedule, one: Held, start: Start<R>) => {
    // a dispatch that fails has started nothing, and the lease holds while it is tried again
    const accepted = Effect.retry(dispatched(start, one.claim, schedule), RetryPolicy.patient("5 minutes"))
    return Effect.flatMap(
      accepted,
      (run) => Effect.onInterrupt(run.await, () => Deferred.isDoneUnsafe(one.stop) ? cancel(run.id) : Effect.void)
    )
  }

  // between the begin of a tick and the first step of its work a kill loses it, so the gate of the run begins it
  const runOne = <R>(schedule: Schedule, one: Held, start: Start<R>, asks: boolean) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function*() {
        const stopped = Effect.flatMap(Deferred.await(one.stop), (reason) => Effect.fail(new Stopped(reason)))
        // whether the claim held when the work was to begin; unknown until then, and where the store does not answer
        let begun: boolean | undefined
        const begin = Effect.flatMap(Clock.monotonicTimeNanos, (before) =>
          Effect.map(store.begin(one.claim), (holds) => {
            begun = holds
            if (holds) one.renewedAt = before
            return holds
          })).pipe(
            Effect.retry(RetryPolicy.patient("20 seconds")),
            Effect.catch((error) => Effect.as(Effect.logWarning(error.message), false))
          )
        const running = asks
          ? Effect.provideService(work(schedule, one, start), RunGate, begin)
          : Effect.flatMap(begin, (holds) => holds ? work(schedule, one, start) : Effect.fail(new Stopped("not begun")))
        const stops = Effect.raceFirst(stopped, watched(one))
        const exit = yield* Effect.exit(restore(Effect.raceFirst(running, stops)))
        if (begun === false) return
        const [outcome, detail] = endOf(exit)
        if (begun === undefined && (outcome === "interrupted" || outcome === "skipped")) {
          // one that a newer tick replaces does not wait for another turn
          return yield* detail === replaced ? finish(one, "skipped", detail) : release(one)
        }
        if (Exit.isSuccess(exit)) yield* succeeded(schedule.name)
        yield* finish(one, outcome, detail)
      })
    ).pipe(
      // the loop that starts it is not traced, the work is
      Effect.withSpan(`tick ${schedule.name}`, { root: true }),
      Effect.withTracerEnabled(true)
    )

  const release = ({ claim }: Held) =>
    store.release(claim).pipe(
      Effect.retry(RetryPolicy.patient("5 seconds")),
      // its lease runs out, and then it waits again all the same
      Effect.catch((error) => Effect.logWarning(error.message))
    )

  const run = <R>(schedule: Schedule, claims: ReadonlyArray<Claim>, start: Start<R>, asks: boolean) =>
    Effect.gen(function*() {
      const renewedAt = yield* Clock.monotonicTimeNanos
      const mine = claims.map((claim): Held => ({ claim, stop: Deferred.makeUnsafe<string>(), renewedAt }))
      for (const one of mine) held.set(keyOf(one.claim), one)
      yield* wake
      yield* Effect.forEach(
        mine,
        (one) => Effect.ensuring(runOne(schedule, one, start, asks), drop(one)),
        { concurrency: "unbounded", discard: true }
      ).pipe(
        // an interruption that came before their turn
        Effect.onInterrupt(() =>
          Effect.forEach(
            mine.filter((one) => held.get(keyOf(one.claim)) === one),
            (one) => Effect.ensuring(release(one), drop(one)),
            { discard: true }
          )
        )
      )
    })

  const heartbeat = Effect.flatMap(Sleeper.make, (sleeper) => {
    wake = sleeper.wake
    return Effect.forever(
      Effect.suspend(() => held.size === 0 ? sleeper.sleep("1 day") : Effect.delay(beat, LeaseTiming.renewEvery))
    )
  }).pipe(Effect.withTracerEnabled(false))

  return { run, stop, heartbeat, renew: Effect.catch(renew, (error) => Effect.logWarning(error.message)) }
}

/** Starts the work of a tick for whom it is, with the trigger that it has. */
export const dispatched = <R>(start: Start<R>, { asked, schedule: name, tick }: Claim, schedule: Schedule) =>
  Effect.provideService(
    start(asked?.trigger ?? { kind: "schedule", schedule: name, tick }, schedule),
    RunContext,
    asked?.origin ?? { tenant: schedule.tenant, actor: null }
  )

/** @category constants */
export const replaced = "replaced by a newer tick"

class Stopped {
  readonly reason: string
  constructor(reason: string) {
    this.reason = reason
  }
}

const endOf = (exit: Exit.Exit<unknown, unknown>): readonly [TickOutcome, string | null] => {
  if (Exit.isSuccess(exit)) return ["completed", null]
  const failure = exit.cause.reasons.find(Cause.isFailReason)?.error
  if (failure instanceof Stopped) return ["interrupted", failure.reason]
  if (failure instanceof TaskSkipped) return ["skipped", failure.message]
  const { message } = fromCause(exit.cause)
  return [Cause.hasInterruptsOnly(exit.cause) ? "interrupted" : "failed", message]
}

// a run that another executor has does not end because nobody waits for it any more
const cancel = (id: string) =>
  Effect.flatMap(
    Effect.serviceOption(RunLog),
    Option.match({
      onNone: () => Effect.void,
      onSome: (log) => Effect.ignore(log.cancel(id, { actor: null, reason: replaced }))
    })
  )

/** A tick has ended well. */
export const succeeded = (schedule: string) =>
  Effect.flatMap(
    DateTime.now,
    (now) => Metric.update(Metric.withAttributes(lastSuccess, { schedule }), DateTime.toEpochMillis(now) / 1000)
  )

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

  const stop = (keys: ReadonlyArray<TickKey>, reason: string) =>
    Effect.forEach(keys, (key) => {
      const found = held.get(keyOf(key))
      return found === undefined ? Effect.void : Deferred.succeed(found.stop, reason)
    }, { discard: true })

  const renew = Effect.gen(function*() {
    if (held.size === 0) return
    const mine = Array.from(held.values())
    const before = yield* Clock.monotonicTimeNanos
    const { lost, stop: asked } = yield* store.renew(mine.map(({ claim }) => claim))
    for (const one of mine) one.renewedAt = before
    yield* stop(lost, "its lease ran out")
    yield* stop(asked, replaced)
  })

  const givenUp = Effect.gen(function*() {
    const now = yield* Clock.monotonicTimeNanos
    const late = Array.from(held.values()).filter((one) => now - one.renewedAt >= giveUpAfter)
    yield* stop(late.map(({ claim }) => claim), "its lease could not be kept")
  })

  const beat = Effect.timeoutOrElse(renew, {
    duration: "2 seconds",
    orElse: () => Effect.fail({ message: "schedules: leases were not renewed in time" })
  }).pipe(Effect.catch((error) => Effect.andThen(Effect.logWarning(error.message), givenUp)))

  const finish = ({ claim }: Held, outcome: TickOutcome, detail: string | null) =>
    store.finish(claim, outcome, detail).pipe(
      Effect.retry(RetryPolicy.patient("20 seconds")),
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
        const begin = Effect.retry(store.begin(one.claim), RetryPolicy.patient("20 seconds")).pipe(
          Effect.tap((holds) =>
            Effect.sync(() => {
              begun = holds
            })
          ),
          Effect.catch((error) => Effect.as(Effect.logWarning(error.message), false))
        )
        const running = asks
          ? Effect.provideService(work(schedule, one, start), RunGate, begin)
          : Effect.flatMap(begin, (holds) => holds ? work(schedule, one, start) : Effect.fail(new Stopped("not begun")))
        const exit = yield* Effect.exit(restore(Effect.raceFirst(running, stopped)))
        if (begun === false) return
        const [outcome, detail] = endOf(exit)
        if (begun === undefined && (outcome === "interrupted" || outcome === "skipped")) return yield* release(one)
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
        (one) => Effect.ensuring(runOne(schedule, one, start, asks), Effect.sync(() => held.delete(keyOf(one.claim)))),
        { concurrency: "unbounded", discard: true }
      ).pipe(
        // an interruption that came before their turn
        Effect.onInterrupt(() =>
          Effect.forEach(
            mine.filter((one) => held.get(keyOf(one.claim)) === one),
            (one) => Effect.ensuring(release(one), Effect.sync(() => held.delete(keyOf(one.claim)))),
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

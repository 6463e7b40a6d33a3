/**
 * What the handler of a task can say and do about the job that it works for.
 *
 * A handler does not know where it runs. Outside of a job everything here has a plain meaning: a step is its effect, a
 * durable sleep a sleep, progress is heard by nobody; what ends the attempt ends the run.
 *
 * `snooze`, `discard` and `rateLimited` end the attempt where they stand, through every error handler around them; its
 * finalizers run as always. In a composed task they end the whole job.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Attempt } from "../core/Attempt.ts"
import { type CheckpointStore, CheckpointUnavailable } from "../core/CheckpointStore.ts"
import type { Storable } from "../core/Task.ts"
import { ResultInvalid, TaskSkipped } from "../core/TaskError.ts"
import type { Tx } from "../store/Tx.ts"
import { CurrentAttempt, type LiveAttempt } from "./internal/worker/LiveAttempt.ts"
import { ended } from "./internal/worker/outcome.ts"
import { Discarded, Snoozed } from "./internal/worker/signal.ts"
import type { JobId, JobMeta } from "./Job.ts"
import type { JobStoreUnavailable, LeaseLost, OtherTransaction } from "./JobError.ts"

/**
 * The job behind an attempt.
 *
 * @category models
 */
export interface Current {
  readonly id: JobId
  readonly queue: string
  /** 1-based. */
  readonly attempt: number
  readonly maxAttempts: number
  /** How often a worker was lost with it. */
  readonly lost: number
  readonly meta: JobMeta
  /** When it is discarded unless it has completed, in milliseconds since 1970 by the clock of the store. */
  readonly deadline: number | null
}

/**
 * The job that this fiber works for; null outside of jobs.
 *
 * @category combinators
 */
export const current: Effect.Effect<Current | null> = Effect.map(CurrentAttempt, (live) => live?.current ?? null)

/**
 * Ends the attempt here and has the job run again after a while. No attempt is spent. Outside of a job the run is skipped.
 *
 * @category combinators
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Task } from "ostinato"
 * import { JobAttempt } from "ostinato/jobs"
 *
 * const Collect = Task.make("docs.collect", { payload: { invoice: Schema.String } })
 * const CollectLive = Collect.toLayer(Effect.fnUntraced(function*({ invoice }) {
 *   if (invoice.startsWith("draft")) yield* JobAttempt.snooze("1 hour", "the invoice is not final yet")
 * }))
 * ```
 */
export const snooze = (duration: Duration.Input, reason: string): Effect.Effect<never, never, Attempt> =>
  ending(reason, () => new Snoozed({ delayMs: millis(duration), reason }))

/**
 * Ends the attempt here and the job for good: it is discarded, whatever attempts it has left. Outside of a job the run
 * fails.
 *
 * @category combinators
 */
export const discard = (reason: string): Effect.Effect<never> => Effect.die(new Discarded({ reason }))

/**
 * The far side said that it is asked too often: nothing of the limit's key starts for so long, on every worker, and this
 * attempt ends unspent until then. Outside of a job the run is skipped.
 *
 * @category combinators
 */
export const rateLimited = (
  limit: string,
  key: string,
  duration: Duration.Input
): Effect.Effect<never, JobStoreUnavailable, Attempt> =>
  Effect.flatMap(CurrentAttempt, (live) => {
    const delayMs = millis(duration)
    const reason = `limit ${limit} of ${key}: the far side asked for ${delayMs} ms of rest`
    const ended = ending(reason, () => new Snoozed({ delayMs, reason }))
    return live === null ? ended : Effect.andThen(live.around.store.limits.hold(limit, key, delayMs), ended)
  })

/**
 * Says how far the work is: any JSON value, seen with the job. Many in a row cost little: the last one counts, and is
 * written at most twice a second. Does nothing outside of a job.
 *
 * @category combinators
 */
export const progress = (value: Schema.Json): Effect.Effect<void> =>
  Effect.map(CurrentAttempt, (live) => live?.around.say(live, value))

/**
 * A step of the work that is done once for the job: what it gave is kept, and later attempts get that instead of doing it
 * again. Names are unique within a job. A crash between the end of the effect and the note of it repeats the step; an
 * attempt whose job another one has notes nothing, whether it knows or not. Without a `CheckpointStore` in the worker, and outside of a job, it is
 * the effect alone.
 *
 * `CheckpointUnavailable`: the store of checkpoints is away. Made an error of the task, its retry policy decides; made a
 * defect, the job is discarded unless its worker has `retryDefects`.
 *
 * @category combinators
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { JobAttempt } from "ostinato/jobs"
 *
 * const charged = JobAttempt.step("charge", Schema.String, Effect.succeed("receipt 7"))
 *
 * await Effect.runPromise(charged) // => "receipt 7"
 * ```
 */
export const step = <S extends Storable, E, R>(
  name: string,
  schema: S,
  effect: Effect.Effect<S["Type"], E, R>
): Effect.Effect<S["Type"], E | CheckpointUnavailable, R> =>
  Effect.flatMap(CurrentAttempt, (live): Effect.Effect<S["Type"], E | CheckpointUnavailable, R> => {
    const checkpoints = live?.around.checkpoints
    if (live === null || checkpoints === null || checkpoints === undefined) return effect
    const codec = Schema.toCodecJson(schema)
    const key = `run/${live.runId}/step/${name}`
    return Effect.gen(function*() {
      const known = yield* checkpoints.load(key)
      if (Option.isSome(known)) {
        const value = yield* Effect.exit(Schema.decodeEffect(codec)(known.value))
        if (value._tag === "Success") return value.value
        yield* Effect.logWarning(`what step ${name} gave before cannot be read any more, so it is done again`)
      }
      const value = yield* effect
      const json = yield* Effect.orDie(Schema.encodeUnknownEffect(codec)(value))
      yield* keep(live, checkpoints, key, json)
      return value
    })
  })

/**
 * Sleeps without holding a worker: the attempt ends unspent, and when the job runs again after that time, it goes on
 * behind the sleep. What is before it runs again, so put it into steps. Names are unique within a job. Without a
 * `CheckpointStore` in the worker, and outside of a job, it is a sleep of the fiber.
 *
 * @category combinators
 */
export const sleep = (
  name: string,
  duration: Duration.Input
): Effect.Effect<void, CheckpointUnavailable, Attempt> =>
  Effect.flatMap(CurrentAttempt, (live) => {
    const checkpoints = live?.around.checkpoints
    if (live === null || checkpoints === null || checkpoints === undefined) return Effect.sleep(duration)
    const key = `run/${live.runId}/sleep/${name}`
    return Effect.gen(function*() {
      const known = yield* checkpoints.load(key)
      const isNoted = Option.isSome(known) && typeof known.value === "number"
      const until = isNoted ? known.value : live.storeNow + millis(duration)
      const left = until - live.storeNow
      if (left <= 0) return
      if (!isNoted) yield* keep(live, checkpoints, key, until)
      return yield* snooze(left, `sleeps: ${name}`)
    })
  })

/**
 * Completes the job in the transaction around: its end commits together with what else the transaction does, or not at
 * all. Fails with `LeaseLost` where another attempt may have the job by now, and the transaction rolls back with it. To be
 * called last, in `Database.transaction` of the store's own client. Does nothing outside of a job.
 *
 * The value is what the handler would give; what it gives after that is not looked at. One that does not fit the task's
 * Schema is a defect.
 *
 * @category combinators
 */
export const completeTx = (
  value?: unknown
): Effect.Effect<void, JobStoreUnavailable | LeaseLost | OtherTransaction, Tx> =>
  Effect.flatMap(CurrentAttempt, (live) => {
    if (live === null) return Effect.void
    return Effect.gen(function*() {
      const output = yield* Effect.catch(
        live.encode(value),
        (detail) => Effect.die(new ResultInvalid({ task: live.task, detail }))
      )
      live.isCompletedTx = true
      yield* live.around.store.finishTx(live.membership.member, ended(live, "completed", { output }))
    })
  })

/** Writes down what later attempts go on from, together with the proof that none has begun: it overwrites nothing of theirs. */
const keep = (
  live: LiveAttempt,
  checkpoints: CheckpointStore["Service"],
  key: string,
  value: Schema.Json
): Effect.Effect<void, CheckpointUnavailable> => {
  if (live.place === "ended" || live.membership.state === "lost") return Effect.void
  const { store } = live.around
  const owned = store.owns(live.membership.member, live.job)
  const saved = Effect.flatMap(owned, (isOwned) => isOwned ? checkpoints.save(key, value) : Effect.void)
  return Effect.catchTag(
    store.transaction(saved),
    "JobStoreUnavailable",
    ({ message }) => new CheckpointUnavailable({ operation: "save", key, detail: message })
  )
}

const millis = (duration: Duration.Input): number => Math.max(0, Duration.toMillis(Duration.fromInputUnsafe(duration)))

/** Ends the attempt of a job by a signal, and a run that is no job as skipped. */
const ending = (reason: string, signal: () => Snoozed): Effect.Effect<never, never, Attempt> =>
  Effect.flatMap(
    CurrentAttempt,
    (live) =>
      live !== null
        ? Effect.die(signal())
        : Effect.flatMap(Attempt, ({ task }) => Effect.die(new TaskSkipped({ task, reason })))
  )

/**
 * Everybody in this process who waits for the end of a job, by store: one of them looks for all, so a thousand waiters are
 * one statement and none needs a fiber besides its own. When that one leaves, another takes its turn.
 *
 * It looks when it is told that a job ended here, when the store says that something changed, and from time to time.
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import * as RetryPolicy from "../../../core/RetryPolicy.ts"
import * as Sleeper from "../../../core/Sleeper.ts"
import * as Tx from "../../../store/Tx.ts"
import { isEnded, type Job, type JobId } from "../../Job.ts"
import type { JobStoreUnavailable } from "../../JobError.ts"
import type { JobStore } from "../../JobStore.ts"

interface Waiter {
  readonly id: JobId
  /** Null: there is no such job. */
  readonly outcome: Deferred.Deferred<Job | null, JobStoreUnavailable>
  /** It is the one that looks. */
  readonly turn: Deferred.Deferred<void>
}

interface Waiters {
  readonly waiting: Map<JobId, Set<Waiter>>
  readonly sleeper: Sleeper.Sleeper
  leader: Waiter | undefined
}

const everybody = new WeakMap<JobStore["Service"], Waiters>()

const shortest = 50
const longest = 2000
const atOnce = 1000

/** The job when it has ended; null where there is none. */
export const ended = (store: JobStore["Service"], id: JobId): Effect.Effect<Job | null, JobStoreUnavailable> =>
  Effect.flatMap(Sleeper.make, (sleeper) => {
    const waiters = everybody.get(store) ?? { waiting: new Map(), sleeper, leader: undefined }
    everybody.set(store, waiters)
    const mine: Waiter = { id, outcome: Deferred.makeUnsafe(), turn: Deferred.makeUnsafe() }
    join(waiters, mine)
    return waiters.sleeper.wake.pipe(
      Effect.andThen(
        Effect.raceFirst(
          Deferred.await(mine.outcome),
          Effect.andThen(Deferred.await(mine.turn), look(store, waiters))
        )
      ),
      Effect.ensuring(Effect.sync(() => leave(waiters, mine)))
    )
  })

/** Says that attempts of these jobs have ended in this process: whoever waits for one of them looks at once. */
export const tell = (
  store: JobStore["Service"],
  jobs: ReadonlyArray<{ readonly id: JobId }>
): Effect.Effect<void> =>
  Effect.suspend(() => {
    const waiters = everybody.get(store)
    if (waiters === undefined || waiters.waiting.size === 0) return Effect.void
    return jobs.some(({ id }) => waiters.waiting.has(id)) ? waiters.sleeper.wake : Effect.void
  })

const join = (waiters: Waiters, mine: Waiter) => {
  waiters.waiting.set(mine.id, (waiters.waiting.get(mine.id) ?? new Set<Waiter>()).add(mine))
  if (waiters.leader === undefined) lead(waiters, mine)
}

const leave = (waiters: Waiters, mine: Waiter) => {
  const same = waiters.waiting.get(mine.id)
  same?.delete(mine)
  if (same?.size === 0) waiters.waiting.delete(mine.id)
  if (waiters.leader !== mine) return
  const [next] = waiters.waiting.values()
  const [another] = next ?? []
  lead(waiters, another)
}

const lead = (waiters: Waiters, one: Waiter | undefined) => {
  waiters.leader = one
  if (one !== undefined) Deferred.doneUnsafe(one.turn, Exit.void)
}

const look = (store: JobStore["Service"], { sleeper, waiting }: Waiters): Effect.Effect<never> =>
  Effect.gen(function*() {
    yield* Effect.forkScoped(Stream.runForEach(store.changes, () => sleeper.wake))
    let pause = shortest
    while (true) {
      const ids = Array.from(waiting.keys())
      for (let at = 0; at < ids.length; at += atOnce) yield* settle(store, waiting, ids.slice(at, at + atOnce))
      // with very many waiting each look is dear
      if (ids.length > atOnce) yield* Effect.sleep(Math.floor(ids.length / atOnce) * 100)
      const jitter = yield* Random.next
      yield* sleeper.sleep(Duration.millis(pause * (0.75 + jitter / 2)))
      pause = Math.min(longest, pause * 1.5)
    }
  }).pipe(Effect.scoped, Tx.outside, Effect.withTracerEnabled(false))

const settle = Effect.fnUntraced(function*(
  store: JobStore["Service"],
  waiting: Waiters["waiting"],
  ids: ReadonlyArray<JobId>
) {
  const answer = yield* Effect.exit(Effect.retry(store.getMany(ids), RetryPolicy.patient("20 seconds")))
  const jobs = Exit.isSuccess(answer) ? new Map(answer.value.map((job) => [job.id, job])) : undefined
  for (const id of ids) {
    const job = jobs?.get(id)
    if (job !== undefined && !isEnded(job.state)) continue
    const outcome = Exit.isSuccess(answer) ? Exit.succeed(job ?? null) : Exit.failCause(answer.cause)
    for (const one of waiting.get(id) ?? []) Deferred.doneUnsafe(one.outcome, outcome)
  }
})

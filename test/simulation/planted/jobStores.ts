/** Stores of jobs with one mistake each, made of one without. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { Supervisor } from "ostinato"
import { type Job, JobStore, MemoryJobStore } from "ostinato/jobs"

type Store = JobStore.JobStore["Service"]

interface Held {
  readonly member: JobStore.Member
  readonly job: JobStore.Claimed
}

const made = (mistake: (store: Store) => Partial<Store>) =>
  Layer.effect(
    JobStore.JobStore,
    Effect.map(JobStore.JobStore, (store) => ({ ...store, ...mistake(store) }))
  ).pipe(Layer.provide(MemoryJobStore.layer), Layer.provide(Supervisor.layer))

/** Notes who claimed what last. */
const noting = (store: Store, newest: Map<Job.JobId, Held>): Pick<Store, "claim"> => ({
  claim: (member, queue, limit) =>
    Effect.tap(
      store.claim(member, queue, limit),
      (jobs) => Effect.sync(() => jobs.forEach((job) => newest.set(job.id, { member, job })))
    )
})

/** Tells that there is a job before it is there, a round trip too early. */
export const tellsTooEarly = made((store) => {
  const early = new Map<string, () => void>()
  return {
    wakes: (queue) =>
      Stream.concat(
        Stream.succeed(undefined),
        Stream.fromEffectRepeat(Effect.callback<void>((resume) => void early.set(queue, () => resume(Effect.void))))
      ),
    enqueue: (jobs) =>
      Effect.suspend(() => {
        for (const { queue } of jobs) early.get(queue)?.()
        return Effect.andThen(Effect.sleep(1), store.enqueue(jobs))
      })
  }
})

/** Does not look whether who ends an attempt is still the one who runs the job. */
export const lateWriterWins = made((store) => {
  const newest = new Map<Job.JobId, Held>()
  return {
    ...noting(store, newest),
    finish: Effect.fnUntraced(function*(member, ends) {
      const fenced = yield* store.finish(member, ends)
      for (const end of ends) {
        const now = newest.get(end.job.id)
        if (fenced.has(end.job.id) && now !== undefined) yield* store.finish(now.member, [{ ...end, job: now.job }])
      }
      return new Set<Job.JobId>()
    })
  }
})

/** Takes back what was claimed more than five seconds ago, whether its worker renews its lease or not. */
export const rescuesTheLiving = made((store) => {
  const newest = new Map<Job.JobId, Held>()
  return {
    ...noting(store, newest),
    rescue: Effect.gen(function*() {
      const now = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
      for (const { job, member } of newest.values()) {
        if (now - job.startedAt > 5000) yield* store.handBack(member, [job])
      }
      return yield* store.rescue
    })
  }
})

/** Looks whether a key is free, and takes it a round trip later. */
export const looksThenTakesTheKey = made((store) => {
  const holders = new Map<string, Job.JobId>()
  return {
    enqueue: (jobs) =>
      Effect.forEach(jobs, (job) =>
        Effect.gen(function*() {
          const id = job.unique === null ? undefined : holders.get(job.unique.key)
          const holder = id === undefined ? null : yield* store.get(id)
          if (holder !== null && holder.finishedAt === null) return { id: holder.id, duplicate: true }
          yield* Effect.sleep(1)
          const [answer] = yield* store.enqueue([{ ...job, unique: null }])
          if (answer === undefined) return yield* Effect.die("no answer")
          if (job.unique !== null) holders.set(job.unique.key, answer.id)
          return answer
        }))
  }
})

/** What a stop gives back has used up its attempt. */
export const stopsSpendAttempts = made((store) => ({
  handBack: (member, jobs) =>
    Effect.asVoid(store.finish(
      member,
      jobs.map((job) => ({
        job,
        outcome: "retry",
        delayMs: 0,
        output: undefined,
        failure: null,
        note: null,
        report: null,
        logs: []
      }))
    ))
}))

/** Forgets a job that was acknowledged when its worker dies. */
export const forgetsTheLost = made((store) => ({
  rescue: Effect.tap(
    store.rescue,
    (rescued) => store.cancel(rescued.map(({ id }) => id), { actor: null, reason: "its worker is gone" })
  )
}))

/** A worker on a memory store of its own, and how to wait for what it does: by steps of the program, never by real time. */
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { Task } from "ostinato"
import * as Supervisor from "ostinato/core/Supervisor"
import type { JobId } from "ostinato/jobs/Job"
import * as JobQueue from "ostinato/jobs/JobQueue"
import { JobStore } from "ostinato/jobs/JobStore"
import * as JobWorker from "ostinato/jobs/JobWorker"
import * as Memory from "ostinato/jobs/stores/Memory"

/** A store and a supervisor. */
export const store = Layer.provideMerge(Memory.layer, Supervisor.layer)

/** Waits, without time passing, until something is so. */
export const until = <E, R>(what: string, condition: Effect.Effect<boolean, E, R>): Effect.Effect<void, E, R> =>
  Effect.gen(function*() {
    for (let turn = 0; turn < 5000; turn++) {
      if (yield* condition) return
      yield* Effect.yieldNow
    }
    return yield* Effect.die(new Error(`it never came to it: ${what}`))
  })

export const job = (id: JobId) => Effect.flatMap(JobStore, (jobs) => Effect.flatMap(jobs.get(id), Effect.fromNullishOr))

/** Waits until the job is in one of these states, and gives it. */
export const reaches = (id: JobId, ...states: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    yield* until(`job ${id} is ${states.join(" or ")}`, Effect.map(job(id), ({ state }) => states.includes(state)))
    return yield* job(id)
  })

/** Lets what can happen now happen. */
export const settle = Effect.repeat(Effect.yieldNow, { times: 200 })

/** Time passes, in steps of at most so many seconds, so that what waits for one another has its turn in between. */
export const pass = (seconds: number, step = 1) =>
  Effect.gen(function*() {
    for (let left = seconds * 1000; left > 0; left -= step * 1000) {
      yield* TestClock.adjust(Math.min(step * 1000, left))
      yield* Effect.repeat(Effect.yieldNow, { times: 30 })
    }
  })

/** The same store with some of its operations changed. */
export const changed = (change: (jobs: JobStore["Service"]) => Partial<JobStore["Service"]>) =>
  Layer.provideMerge(
    Layer.effect(JobStore, Effect.map(JobStore, (jobs) => JobStore.of({ ...jobs, ...change(jobs) }))),
    store
  )

/** A worker of the queue `default`. When it stops, time passes by itself, so that a test which failed ends as well. */
export const worker = <const Tasks extends ReadonlyArray<JobWorker.Servable>>(
  tasks: Tasks,
  options: Partial<Omit<JobWorker.Options<Tasks>, "tasks">> = {}
) => Layer.provideMerge(timePasses, JobWorker.layer({ queues: { default: {} }, drain: 0, ...options, tasks }))

const timePasses = Layer.effectDiscard(
  Effect.addFinalizer(() => Effect.forkDetach(Effect.repeat(pass(0.5), { times: 100 })))
)

export class Broken extends Schema.TaggedError<Broken>()("Broken", {}) {}

export const Double = Task.make("double", { payload: { n: Schema.Int }, success: Schema.Int })
export const DoubleLive = Double.toLayer(({ n }) => Effect.succeed(n * 2))

export const Wait = Task.make("wait", { error: Broken, grace: "2 seconds" })

/** A handler that waits until it may go on, and counts. */
export const waiting = () => {
  const go = Latch.makeUnsafe(false)
  const figures = { running: 0, most: 0, begun: 0, ended: 0 }
  const live = Wait.toLayer(() =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        figures.begun += 1
        figures.running += 1
        figures.most = Math.max(figures.most, figures.running)
      }),
      () => go.await,
      () =>
        Effect.sync(() => {
          figures.running -= 1
          figures.ended += 1
        })
    )
  )
  return { go, figures, live }
}

export const enqueueMany = (n: number, options: JobQueue.JobOptions<{}> = {}) =>
  JobQueue.enqueueAll(Array.from({ length: n }, () => JobQueue.job(Wait, {}, options)))

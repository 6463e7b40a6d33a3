import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { JobStoreUnavailable } from "ostinato/jobs/JobError"
import * as JobQueue from "ostinato/jobs/JobQueue"
import * as JobWorker from "ostinato/jobs/JobWorker"
import {
  changed,
  Double,
  DoubleLive,
  enqueueMany,
  job,
  pass,
  reaches,
  until,
  Wait,
  waiting,
  worker
} from "./Working.ts"

describe("a worker whose store is away", () => {
  it.effect("keeps the results of what it ran, claims no more than it may keep, and tells the store when it is back", () => {
    let isAway = false
    const lines: Array<string> = []
    const logger = Logger.make(({ message }) => void lines.push(String(message)))
    return Effect.gen(function*() {
      const { figures, go, live } = waiting()
      const enqueued = yield* enqueueMany(20)
      yield* Effect.gen(function*() {
        const { status } = yield* JobWorker.JobWorker
        yield* until("ten run", Effect.sync(() => figures.running === 10))
        isAway = true
        yield* go.open
        yield* pass(30)
        assert.strictEqual((yield* status).unrecorded, 10)
        assert.strictEqual(figures.begun, 10)
        assert.isAtMost(lines.filter((line) => line.includes("gone")).length, 4)
        isAway = false
        yield* pass(6, 0.2)
        for (const { id } of enqueued) yield* reaches(id, "completed")
        assert.strictEqual(figures.begun, 20)
      }).pipe(Effect.provide(Layer.provide(worker([Wait], { maintenance: false }), live)))
    }).pipe(
      Effect.provide(Layer.provideMerge(
        changed((jobs) => {
          const away = <A>(answer: Effect.Effect<A, JobStoreUnavailable>) =>
            Effect.suspend(() =>
              isAway ? Effect.fail(new JobStoreUnavailable({ operation: "it", detail: "gone" })) : answer
            )
          return {
            claim: (...args) => away(jobs.claim(...args)),
            finish: (...args) => away(jobs.finish(...args)),
            join: (options) =>
              Effect.suspend(() =>
                isAway ? Effect.fail(new JobStoreUnavailable({ operation: "it", detail: "gone" })) : jobs.join(options)
              )
          }
        }),
        Logger.layer([logger])
      ))
    )
  })

  it.effect("keeps no more results than it may: it claims no more until the store takes some", () => {
    let isAway = true
    return Effect.gen(function*() {
      const { figures, go, live } = waiting()
      yield* go.open
      const enqueued = yield* enqueueMany(200)
      yield* Effect.gen(function*() {
        yield* pass(20)
        assert.isAtLeast(figures.ended, 30)
        assert.isAtMost(figures.ended, 40)
        isAway = false
        yield* pass(6, 0.2)
        for (const { id } of enqueued) yield* reaches(id, "completed")
      }).pipe(
        Effect.provide(Layer.provide(
          worker([Wait], { queues: { default: { concurrency: 10, prefetch: 0 } }, results: 30 }),
          live
        ))
      )
    }).pipe(Effect.provide(changed((jobs) => ({
      finish: (...args) =>
        Effect.suspend(() =>
          isAway ? Effect.fail(new JobStoreUnavailable({ operation: "finish", detail: "gone" })) : jobs.finish(...args)
        )
    }))))
  })

  it.effect("leaves the membership of a claim that was never answered, so that its jobs are taken back", () => {
    let hangs = true
    return Effect.gen(function*() {
      const { id } = yield* JobQueue.enqueue(Double, { n: 4 })
      yield* Effect.gen(function*() {
        yield* pass(1)
        // claimed, and nobody knows
        assert.strictEqual((yield* job(id)).state, "running")
        hangs = false
        yield* pass(60)
        assert.deepInclude(yield* reaches(id, "completed"), { output: 8, lost: 1 })
      }).pipe(Effect.provide(Layer.provide(worker([Double], { patience: "5 seconds" }), DoubleLive)))
    }).pipe(Effect.provide(changed((jobs) => ({
      claim: (...args) =>
        Effect.flatMap(jobs.claim(...args), (claimed) => hangs ? Effect.never : Effect.succeed(claimed))
    }))))
  })

  it.effect("records the rest of a batch of which one end is refused, and ends that one without what it carried", () =>
    Effect.gen(function*() {
      const enqueued = yield* JobQueue.enqueueAll(Array.from({ length: 9 }, (_, n) => JobQueue.job(Double, { n })))
      yield* Effect.gen(function*() {
        yield* pass(30)
        // nothing else was taken since: it may be the store
        assert.strictEqual((yield* job(enqueued[4]!.id)).state, "running")
        for (let n = 10; n < 14; n++) {
          const { id } = yield* JobQueue.enqueue(Double, { n })
          yield* reaches(id, "completed")
          yield* pass(3)
        }
        const states = yield* Effect.forEach(enqueued, ({ id }) => Effect.map(job(id), ({ state }) => state))
        assert.deepStrictEqual(states.filter((state) => state === "completed").length, 8)
        assert.deepInclude((yield* job(enqueued[4]!.id)).failure, { tag: "ResultNotStored" })
      }).pipe(Effect.provide(Layer.provide(worker([Double]), DoubleLive)))
    }).pipe(Effect.provide(changed((jobs) => ({
      finish: (member, ends) =>
        ends.some(({ output }) => output === 8)
          ? Effect.fail(new JobStoreUnavailable({ operation: "finish", detail: "invalid input" }))
          : jobs.finish(member, ends)
    })))))
})

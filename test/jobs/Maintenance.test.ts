import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as Scope from "effect/Scope"
import { JobStoreUnavailable } from "ostinato/jobs/JobError"
import * as JobMaintenance from "ostinato/jobs/JobMaintenance"
import { JobStore } from "ostinato/jobs/JobStore"
import { newJob } from "../../src/testing/internal/jobStore/newJob.ts"
import { changed, job, pass, settle, store } from "./Working.ts"

const upkeep = JobMaintenance.layer()

describe("maintenance", () => {
  it.effect("makes a job available when it is due, also one that is scheduled before all that were known", () =>
    Effect.gen(function*() {
      const jobs = yield* JobStore
      const [far] = yield* jobs.enqueue([newJob("default", { delayMs: 50_000 })])
      yield* settle
      const [near] = yield* jobs.enqueue([newJob("default", { delayMs: 1500 })])
      yield* pass(1.4, 0.1)
      assert.strictEqual((yield* job(near!.id)).state, "scheduled")
      yield* pass(0.2, 0.1)
      assert.strictEqual((yield* job(near!.id)).state, "available")
      assert.strictEqual((yield* job(far!.id)).state, "scheduled")
      yield* pass(49)
      assert.strictEqual((yield* job(far!.id)).state, "available")
    }).pipe(Effect.provide(Layer.provideMerge(upkeep, store))))

  it.effect("makes thousands available at once when they are due at the same time", () =>
    Effect.gen(function*() {
      const jobs = yield* JobStore
      yield* jobs.enqueue(Array.from({ length: 3500 }, () => newJob("default", { delayMs: 1000 })))
      yield* pass(2)
      assert.strictEqual((yield* jobs.queues)[0]?.counts.available, 3500)
    }).pipe(Effect.provide(Layer.provideMerge(upkeep, store))))

  it.effect("takes back the jobs of a worker that died, and counts them", () =>
    Effect.gen(function*() {
      const jobs = yield* JobStore
      const [enqueued] = yield* jobs.enqueue([newJob("rescued")])
      const scope = yield* Scope.make()
      const member = yield* Scope.provide(jobs.join({ node: "gone", info: {}, serves: {} }), scope)
      yield* jobs.claim(member, "rescued", 1)
      yield* Scope.close(scope, Exit.void)
      yield* pass(35)
      assert.deepInclude(yield* job(enqueued!.id), { state: "available", lost: 1 })
      const counted = (yield* Metric.snapshot).find(({ attributes, id }) =>
        id === "ostinato_jobs_rescued_total" && attributes?.["queue"] === "rescued"
      )
      assert.deepInclude(counted?.state, { count: 1 })
    }).pipe(Effect.provide(Layer.provideMerge(upkeep, store))))

  it.effect("outlives an outage, and tells of it at most once in ten seconds for each of its loops", () => {
    let isAway = true
    const lines: Array<string> = []
    const logger = Logger.make(({ message }) => void lines.push(String(message)))
    const away = <A>(answer: Effect.Effect<A, JobStoreUnavailable>) =>
      Effect.suspend(() => isAway ? Effect.fail(new JobStoreUnavailable({ operation: "it", detail: "gone" })) : answer)
    return Effect.gen(function*() {
      const jobs = yield* JobStore
      const [enqueued] = yield* jobs.enqueue([newJob("default", { delayMs: 1000 })])
      yield* pass(60)
      assert.isAtMost(lines.filter((line) => line.includes("gone")).length, 4 * 7)
      isAway = false
      yield* pass(3)
      assert.strictEqual((yield* job(enqueued!.id)).state, "available")
    }).pipe(
      Effect.provide(Layer.provideMerge(
        upkeep,
        Layer.provideMerge(
          changed((jobs) => ({
            promote: (limit) => away(jobs.promote(limit)),
            rescue: away(jobs.rescue),
            sweep: away(jobs.sweep),
            prune: (retention) => away(jobs.prune(retention))
          })),
          Logger.layer([logger])
        )
      ))
    )
  })

  it.effect("asks less than once a second when there is nothing to do, and sweeps every second where limits are", () => {
    const asked = { all: 0, sweeps: 0 }
    const counting = changed((jobs) => {
      const counted = <A, E>(answer: Effect.Effect<A, E>) =>
        Effect.suspend(() => {
          asked.all += 1
          return answer
        })
      return {
        promote: (limit) => counted(jobs.promote(limit)),
        nextDueMs: counted(jobs.nextDueMs),
        rescue: counted(jobs.rescue),
        sweep: counted(Effect.tap(jobs.sweep, () => Effect.sync(() => (asked.sweeps += 1)))),
        prune: (retention) => counted(jobs.prune(retention))
      }
    })
    return Effect.gen(function*() {
      const jobs = yield* JobStore
      yield* pass(60)
      const before = asked.all
      yield* pass(300)
      assert.isAtMost((asked.all - before) / 300, 0.6)
      yield* jobs.limits.set({ name: "forge", permits: 1, rate: null })
      yield* pass(60)
      const sweeps = asked.sweeps
      yield* pass(60)
      assert.isAtLeast(asked.sweeps - sweeps, 45)
    }).pipe(Effect.provide(Layer.provideMerge(upkeep, counting)))
  })

  it.effect("workers of one process that share a store share its loops, for as long as one of them is there", () => {
    let rescues = 0
    const counting = changed((jobs) => ({
      rescue: Effect.suspend(() => {
        rescues += 1
        return jobs.rescue
      })
    }))
    return Effect.gen(function*() {
      const during = Effect.gen(function*() {
        const before = rescues
        yield* pass(100)
        return rescues - before
      })
      const built = Effect.gen(function*() {
        const scope = yield* Scope.make()
        yield* Scope.provide(Layer.build(JobMaintenance.layer()), scope)
        return scope
      })
      const first = yield* built
      const alone = yield* during
      assert.isAtLeast(alone, 30)
      const second = yield* built
      assert.isAtMost(yield* during, alone + 10)
      yield* Scope.close(first, Exit.void)
      assert.isAtLeast(yield* during, 30)
      yield* Scope.close(second, Exit.void)
      assert.strictEqual(yield* during, 0)
      const third = yield* built
      assert.isAtLeast(yield* during, 30)
      yield* Scope.close(third, Exit.void)
    }).pipe(Effect.provide(counting))
  })

  it.effect("removes what retention no longer keeps", () =>
    Effect.gen(function*() {
      const jobs = yield* JobStore
      const [enqueued] = yield* jobs.enqueue([newJob("default")])
      yield* jobs.cancel([enqueued!.id], { actor: null, reason: null })
      yield* pass(3000, 60)
      assert.isNotNull(yield* jobs.get(enqueued!.id))
      yield* pass(6000, 60)
      assert.isNull(yield* jobs.get(enqueued!.id))
    }).pipe(
      Effect.provide(Layer.provideMerge(JobMaintenance.layer({ retention: { cancelled: "1 hour" } }), store))
    ))
})

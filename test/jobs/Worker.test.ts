import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as References from "effect/References"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Task, TaskPool } from "ostinato"
import * as JobQueue from "ostinato/jobs/JobQueue"
import { JobStore } from "ostinato/jobs/JobStore"
import * as JobWorker from "ostinato/jobs/JobWorker"
import { newJob } from "../../src/testing/internal/jobStore/newJob.ts"
import {
  Broken,
  changed,
  Double,
  DoubleLive,
  enqueueMany,
  job,
  pass,
  reaches,
  settle,
  store,
  until,
  Wait,
  waiting,
  worker
} from "./Working.ts"

describe("a worker", () => {
  it.effect("runs a job that is enqueued, and keeps its value for whoever awaits it", () =>
    Effect.gen(function*() {
      const { id } = yield* JobQueue.enqueue(Double, { n: 21 })
      assert.deepInclude(yield* reaches(id, "completed"), { output: 42, attempt: 1 })
      assert.strictEqual(yield* JobQueue.result(Double, id), 42)
    }).pipe(Effect.provide(Layer.provideMerge(Layer.provide(worker([Double]), DoubleLive), store))))

  it.effect("S3.18 S2.2 begins a job that is enqueued while it is idle, without time passing, and enqueue waits for no handler", () =>
    Effect.gen(function*() {
      const { figures, go, live } = waiting()
      yield* Effect.gen(function*() {
        yield* pass(30)
        const { id } = yield* JobQueue.enqueue(Wait, {})
        assert.strictEqual(figures.ended, 0)
        yield* until("it began", Effect.sync(() => figures.begun === 1))
        assert.strictEqual((yield* job(id)).state, "running")
        yield* go.open
        yield* reaches(id, "completed")
      }).pipe(Effect.provide(Layer.provide(worker([Wait]), live)))
    }).pipe(Effect.provide(store)))

  it.effect("S3.18 asks the store about once in 10 seconds when nothing happens, over all its queues, and finds jobs without being woken", () => {
    let claims = 0
    const deaf = changed((jobs) => ({
      wakes: () => Stream.never,
      claim: (member, queue, limit) => {
        claims += 1
        return jobs.claim(member, queue, limit)
      }
    }))
    return Effect.gen(function*() {
      yield* pass(60)
      const before = claims
      yield* pass(300)
      assert.isAtMost(claims - before, 300 * 0.13)
      const { id } = yield* JobQueue.enqueue(Double, { n: 1 }, { queue: "b" })
      yield* pass(45)
      yield* reaches(id, "completed")
    }).pipe(
      Effect.provide(
        Layer.provideMerge(Layer.provide(worker([Double], { queues: { a: {}, b: {}, c: {} } }), DoubleLive), deaf)
      )
    )
  })

  it.effect("never runs more than its slots, nor holds more than these and its prefetch", () =>
    Effect.gen(function*() {
      const { figures, go, live } = waiting()
      yield* enqueueMany(100)
      yield* Effect.gen(function*() {
        const { status } = yield* JobWorker.JobWorker
        yield* settle
        assert.deepStrictEqual((yield* status).queues, { default: { capacity: 7, running: 7, prefetched: 5 } })
        assert.strictEqual((yield* (yield* JobStore).queues)[0]?.counts.running, 12)
        yield* go.open
        yield* until("all ended", Effect.sync(() => figures.ended === 100))
        assert.strictEqual(figures.most, 7)
      }).pipe(
        Effect.provide(
          Layer.provide(worker([Wait], { queues: { default: { concurrency: 7, prefetch: 5 } } }), live)
        )
      )
    }).pipe(Effect.provide(store)))

  it.live("gives another queue its turn although one has a backlog of work that never waits", () =>
    Effect.gen(function*() {
      const order: Array<string> = []
      const Busy = Task.make("busy", { payload: { queue: Schema.String } })
      const busy = Busy.toLayer(({ queue }) =>
        Effect.sync(() => {
          const end = performance.now() + 1
          while (performance.now() < end);
          order.push(queue)
        })
      )
      const backlog = Array.from({ length: 300 }, () => JobQueue.job(Busy, { queue: "a" }, { queue: "a" }))
      yield* JobQueue.enqueueAll([...backlog, JobQueue.job(Busy, { queue: "b" }, { queue: "b" })])
      yield* until("b had its turn", Effect.sync(() => order.includes("b"))).pipe(
        Effect.provide(Layer.provide(
          JobWorker.layer({ queues: { a: { concurrency: 1000 }, b: {} }, tasks: [Busy], drain: 0 }),
          busy
        ))
      )
      assert.isBelow(order.indexOf("b"), 100)
    }).pipe(Effect.provide(store)))

  it.effect("fetches ahead by itself as much as its pace says, and records ends in batches", () => {
    const sizes = { claim: 0, finish: 0 }
    return Effect.gen(function*() {
      yield* JobQueue.enqueueAll(Array.from({ length: 5000 }, (_, n) => JobQueue.job(Double, { n })))
      yield* Effect.gen(function*() {
        const jobs = yield* JobStore
        for (let turn = 0; turn < 300; turn++) {
          yield* pass(0.01)
          if ((yield* jobs.queues)[0]?.counts.available === 0) break
        }
        yield* pass(1)
        assert.strictEqual((yield* jobs.queues)[0]?.counts.available, 0)
      }).pipe(Effect.provide(Layer.provide(worker([Double]), DoubleLive)))
      assert.isAbove(sizes.claim, 100)
      assert.isAbove(sizes.finish, 100)
    }).pipe(Effect.provide(changed((jobs) => ({
      claim: (member, queue, limit) => {
        sizes.claim = Math.max(sizes.claim, limit)
        return Effect.delay(jobs.claim(member, queue, limit), 1)
      },
      finish: (member, ends) => {
        sizes.finish = Math.max(sizes.finish, ends.length)
        return Effect.delay(jobs.finish(member, ends), 1)
      }
    }))))
  })

  it.effect("refuses to start on a queue that holds jobs of tasks it has no handler for, and names them", () =>
    Effect.gen(function*() {
      yield* (yield* JobStore).enqueue([newJob("default", { task: "stranger" })])
      const exit = yield* Effect.exit(Effect.scoped(Layer.build(Layer.provide(worker([Double]), DoubleLive))))
      assert.isTrue(Exit.isFailure(exit))
      const message = Exit.isFailure(exit) ? Cause.pretty(exit.cause) : ""
      assert.include(message, "queue default holds jobs of stranger")
    }).pipe(Effect.provide(store)))

  it.effect("is refused with what is wrong about it: no queue, a slot too few, a task twice", () =>
    Effect.gen(function*() {
      const refused = Effect.fnUntraced(function*(options: Parameters<typeof JobWorker.layer>[0]) {
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the handlers are not needed to be refused
        const layer = Layer.provide(JobWorker.layer(options) as ReturnType<typeof worker<[typeof Double]>>, DoubleLive)
        const exit = yield* Effect.exit(Effect.scoped(Layer.build(layer)))
        return Exit.isFailure(exit) ? Cause.pretty(exit.cause).split("\n")[0] : ""
      })
      assert.include(yield* refused({ queues: {}, tasks: [Double] }), "option queues of the worker is empty")
      assert.include(
        yield* refused({ queues: { a: { concurrency: 0 } }, tasks: [Double] }),
        "queues.a.concurrency of the worker is 0"
      )
      assert.include(yield* refused({ queues: { a: { prefetch: -1 } }, tasks: [Double] }), "queues.a.prefetch")
      assert.include(yield* refused({ queues: { a: {} }, tasks: [Double, Double] }), "names double twice")
    }).pipe(Effect.provide(store)))

  it.effect("S2.66 logs every failure with the name of its task and counts it", () => {
    const lines: Array<string> = []
    const logger = Logger.make(({ fiber, message }) => {
      lines.push(`${String(fiber.getRef(References.CurrentLogAnnotations)["task"])}: ${String(message)}`)
    })
    return Effect.gen(function*() {
      const live = Wait.toLayer(() => new Broken())
      const { id } = yield* JobQueue.enqueue(Wait, {}, { queue: "counted" })
      yield* Effect.andThen(reaches(id, "discarded"), settle).pipe(
        Effect.provide(Layer.provide(worker([Wait], { queues: { counted: {} } }), live))
      )
      assert.isTrue(lines.some((line) => line.startsWith("wait: job failed: Broken")), lines.join("\n"))
      const finished = (yield* Metric.snapshot).filter(({ attributes, id }) =>
        id === "ostinato_jobs_finished_total" && attributes?.["queue"] === "counted"
      )
      assert.deepStrictEqual(
        finished.map(({ attributes, state }) => [attributes, "count" in state ? state.count : 0]),
        [
          [{ queue: "counted", task: "wait", outcome: "discarded" }, 1]
        ]
      )
      assert.isTrue(
        (yield* Metric.snapshot).some(({ attributes, id }) =>
          id === "ostinato_task_run_seconds" && attributes?.["queue"] === "counted" && attributes["executor"] === "jobs"
        )
      )
    }).pipe(Effect.provide(Layer.provideMerge(store, Logger.layer([logger]))))
  })

  it.effect("S2.30 keeps its lease through a job of 30 minutes, and without it the job is taken back", () =>
    Effect.gen(function*() {
      const { figures, go, live } = waiting()
      const { id } = yield* JobQueue.enqueue(Wait, {})
      yield* Effect.gen(function*() {
        yield* pass(1800, 5)
        assert.deepInclude(yield* job(id), { state: "running", lost: 0 })
        assert.strictEqual(figures.begun, 1)
        yield* go.open
        yield* reaches(id, "completed")
      }).pipe(Effect.provide(Layer.provide(worker([Wait]), live)))
    }).pipe(Effect.provide(store)))

  it.effect("S2.30 a job whose worker beats no more is taken back when the lease is over, and runs again", () => {
    let members = 0
    const beating = Scope.makeUnsafe()
    return Effect.gen(function*() {
      const { figures, go, live } = waiting()
      const { id } = yield* JobQueue.enqueue(Wait, {})
      yield* Effect.gen(function*() {
        yield* reaches(id, "running")
        yield* Scope.close(beating, Exit.void)
        yield* pass(29)
        assert.deepInclude(yield* job(id), { state: "running", attempt: 1, lost: 0 })
        yield* pass(10)
        assert.deepInclude(yield* job(id), { state: "running", attempt: 2, lost: 1 })
        assert.deepStrictEqual([figures.begun, figures.running], [2, 1])
        yield* go.open
        yield* reaches(id, "completed")
      }).pipe(Effect.provide(Layer.provide(worker([Wait]), live)))
    }).pipe(Effect.provide(changed((jobs) => ({
      // what renews the lease of the first one ends with this scope
      join: (options) =>
        Effect.suspend(() => ++members === 1 ? Scope.provide(jobs.join(options), beating) : jobs.join(options))
    }))))
  })

  it.effect("S3.25 keeps the value with when its job began and ended, and the metric has the same run time", () =>
    Effect.gen(function*() {
      const live = Double.toLayer(({ n }) => Effect.as(Effect.sleep("3 seconds"), n * 2))
      const { id } = yield* JobQueue.enqueue(Double, { n: 21 }, { queue: "timed" })
      const done = yield* Effect.andThen(pass(4), reaches(id, "completed")).pipe(
        Effect.provide(Layer.provide(worker([Double], { queues: { timed: {} } }), live))
      )
      assert.strictEqual(done.output, 42)
      assert.strictEqual(done.finishedAt!.epochMilliseconds - done.startedAt!.epochMilliseconds, 3000)
      const runs = (yield* Metric.snapshot).find(({ attributes, id }) =>
        id === "ostinato_task_run_seconds" && attributes?.["queue"] === "timed"
      )
      assert.deepInclude(runs?.state, { count: 1, sum: 3 })
    }).pipe(Effect.provide(store)))

  it.effect("S2.13 jobs outlive the worker that they were enqueued beside, and what waits in a pool does not", () =>
    Effect.gen(function*() {
      const done: Array<string> = []
      const live = Double.toLayer(({ n }) => Effect.sync(() => done.push(`job ${n}`)))
      yield* Effect.scoped(Effect.gen(function*() {
        const pool = yield* TaskPool.make({ name: "contrast", capacity: 1, drain: 0, grace: 0 })
        yield* pool.submit(Effect.never)
        yield* pool.submit(Effect.sync(() => done.push("pool")))
        yield* JobQueue.enqueue(Double, { n: 1 }, { delay: "1 minute" })
        yield* settle
      })).pipe(Effect.provide(Layer.provide(worker([Double]), live)))
      yield* pass(61).pipe(Effect.provide(Layer.provide(worker([Double]), live)))
      assert.deepStrictEqual(done, ["job 1"])
    }).pipe(Effect.provide(store)))

  it.effect("D.9 ends a job that waits for a slot at once when it is cancelled, and one that ignores it after its grace", () =>
    Effect.gen(function*() {
      const jobs = yield* JobStore
      const stubborn = Wait.toLayer(() => Effect.uninterruptible(Effect.never))
      const [first, second, third] = yield* enqueueMany(3)
      yield* Effect.gen(function*() {
        const { status } = yield* JobWorker.JobWorker
        yield* reaches(first!.id, "running")
        yield* settle
        const by = { actor: "ada", reason: null }
        yield* jobs.cancel([second!.id], by)
        yield* reaches(second!.id, "cancelled")
        yield* jobs.cancel([first!.id], by)
        yield* pass(3)
        assert.deepInclude((yield* reaches(first!.id, "cancelled")).failure, { cancellation: by })
        // its slot is free although it goes on
        yield* settle
        assert.strictEqual((yield* job(third!.id)).state, "running")
        assert.strictEqual((yield* status).stuck, 1)
        yield* jobs.cancel([third!.id], by)
        yield* pass(3)
      }).pipe(
        Effect.provide(
          Layer.provide(worker([Wait], { queues: { default: { concurrency: 1, prefetch: 1 } }, grace: 0 }), stubborn)
        )
      )
    }).pipe(Effect.provide(store)))

  it.effect("S3.23 lets go of a job that ignores its timeout after its grace, and uses its slot again", () =>
    Effect.gen(function*() {
      const Hangs = Task.make("hangs", { timeout: "5 seconds", grace: "2 seconds" })
      const [first, second] = yield* JobQueue.enqueueAll([JobQueue.job(Hangs, {}), JobQueue.job(Hangs, {})])
      let begun = 0
      const live = Hangs.toLayer(() =>
        Effect.suspend(() => ++begun === 1 ? Effect.uninterruptible(Effect.never) : Effect.void)
      )
      yield* Effect.gen(function*() {
        const { status } = yield* JobWorker.JobWorker
        yield* pass(6)
        assert.strictEqual((yield* job(first!.id)).state, "running")
        assert.strictEqual(begun, 1)
        yield* pass(2)
        assert.strictEqual((yield* reaches(first!.id, "discarded")).failure?.tag, "TaskTimeout")
        yield* reaches(second!.id, "completed")
        assert.strictEqual((yield* status).stuck, 1)
      }).pipe(
        Effect.provide(Layer.provide(worker([Hangs], { queues: { default: { concurrency: 1 } } }), live))
      )
    }).pipe(Effect.provide(store)))

  it.effect("does not start jobs of a task or a tenant that is paused, and starts them when it is released", () =>
    Effect.gen(function*() {
      const jobs = yield* JobStore
      yield* jobs.holds.put("task:double")
      yield* jobs.holds.put("tenant:acme")
      const { go, live } = waiting()
      yield* go.open
      yield* Effect.gen(function*() {
        const { id: byTask } = yield* JobQueue.enqueue(Double, { n: 1 })
        const { id: byTenant } = yield* JobQueue.enqueue(Wait, {}, { tenant: "acme" })
        const { id: free } = yield* JobQueue.enqueue(Wait, {}, { tenant: "umbrella" })
        yield* reaches(free, "completed")
        yield* settle
        assert.deepInclude(yield* job(byTask), { attempt: 0 })
        assert.include((yield* job(byTask)).reason, "double")
        assert.include((yield* job(byTenant)).reason, "acme")
        yield* jobs.holds.release("task:double")
        yield* pass(2)
        yield* reaches(byTask, "completed")
        yield* jobs.holds.release("tenant:acme")
        yield* pass(2)
        assert.deepInclude(yield* reaches(byTenant, "completed"), { attempt: 1 })
      }).pipe(Effect.provide(Layer.provide(worker([Double, Wait]), Layer.merge(DoubleLive, live))))
    }).pipe(Effect.provide(store)))

  it.effect("whose lease is lost joins again and goes on, and the job is attempted by whoever takes it back", () => {
    const lost = Latch.makeUnsafe(false)
    let members = 0
    return Effect.gen(function*() {
      const { figures, go, live } = waiting()
      const { id } = yield* JobQueue.enqueue(Wait, {})
      yield* Effect.gen(function*() {
        yield* reaches(id, "running")
        yield* lost.open
        yield* settle
        assert.strictEqual(figures.ended, 1)
        assert.strictEqual(members, 2)
        yield* go.open
        const { id: next } = yield* JobQueue.enqueue(Wait, {})
        yield* reaches(next, "completed")
        yield* pass(40)
        assert.deepInclude(yield* reaches(id, "completed"), { lost: 1, attempt: 2 })
      }).pipe(Effect.provide(Layer.provide(worker([Wait]), live)))
    }).pipe(Effect.provide(changed((jobs) => ({
      join: (options) =>
        Effect.map(jobs.join(options), (member) => ++members === 1 ? { ...member, lost: lost.await } : member)
    }))))
  })
})

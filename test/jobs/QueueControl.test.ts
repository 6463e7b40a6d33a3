import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { RunContext, Task } from "ostinato"
import { Job, JobFilter, JobQueue, JobStore, JobWorker } from "ostinato/jobs"
import { job, pass, reaches, settle, store, until } from "./Working.ts"

const Send = Task.make("send", { payload: { to: Schema.String } })
const Tidy = Task.make("tidy")

const working = (send: Effect.Effect<void> = Effect.void) =>
  JobWorker.layer({ queues: { default: {}, other: {} }, tasks: [Send, Tidy] }).pipe(
    Layer.provide([Send.toLayer(() => send), Tidy.toLayer(() => Effect.void)])
  )

const many = (count: number, queue = "default") =>
  JobQueue.enqueueAll(
    Array.from({ length: count }, (_, n) => JobQueue.job(Send, { to: `${n}` }, { queue, delay: "1 day" }))
  )

const nobody = Job.JobId.make("7")
const filter = (part: Partial<JobFilter.JobFilter>): JobFilter.JobFilter => ({ ...JobFilter.all, ...part })

describe("control of jobs", () => {
  it.effect("D.9 cancels by id: what waits ends at once, what runs is asked, a second cancel and an unknown id say so", () => {
    const finalized = Deferred.makeUnsafe<void>()
    return Effect.gen(function*() {
      const [waits] = yield* many(1)
      const runs = yield* JobQueue.enqueue(Send, { to: "x" })
      yield* reaches(runs.id, "running")
      yield* settle
      const ids = [waits?.id ?? nobody, runs.id, nobody]
      const first = yield* RunContext.within({ actor: "ada" })(JobQueue.cancel(ids, { reason: "why not" }))
      assert.deepStrictEqual(first, {
        cancelled: [ids[0] ?? nobody],
        requested: [runs.id],
        already: [],
        ended: [],
        unknown: [nobody],
        more: false
      })
      const again = yield* JobQueue.cancel(ids)
      assert.deepStrictEqual([again.ended, again.unknown], [[ids[0] ?? nobody], [nobody]])
      assert.deepStrictEqual([...again.already, ...again.ended.slice(1)], [runs.id])
      yield* pass(6)
      yield* Deferred.await(finalized)
      const ended = yield* reaches(runs.id, "cancelled")
      assert.deepStrictEqual(ended.failure?.cancellation, { actor: "ada", reason: "why not" })
    }).pipe(
      Effect.provide(
        Layer.provideMerge(
          working(Effect.onInterrupt(Effect.never, () => Deferred.succeed(finalized, undefined))),
          store
        )
      )
    )
  })

  it.effect("changes what a filter finds page by page, each job once, and leaves the rest alone", () =>
    Effect.gen(function*() {
      yield* many(2500)
      const [other] = yield* many(1, "other")
      const found = yield* JobQueue.cancel(filter({ queues: ["default"] }))
      assert.strictEqual(new Set(found.cancelled).size, 2500)
      assert.isFalse(found.more)
      assert.strictEqual((yield* job(other?.id ?? nobody)).state, "scheduled")
      const again = yield* JobQueue.cancel(filter({ queues: ["default"] }))
      assert.deepStrictEqual([again.cancelled.length, again.ended.length], [0, 2500])
    }).pipe(Effect.provide(store)))

  it.effect("stops at a limit and says that there is more", () =>
    Effect.gen(function*() {
      yield* many(30)
      const some = yield* JobQueue.cancel(filter({ states: ["scheduled"] }), { limit: 20 })
      assert.deepStrictEqual([some.cancelled.length, some.more], [20, true])
      const rest = yield* JobQueue.cancel(filter({ states: ["scheduled"] }), { limit: 10 })
      assert.deepStrictEqual([rest.cancelled.length, rest.more], [10, false])
    }).pipe(Effect.provide(store)))

  it.effect("reschedules, retries and erases, and says of each id what became of it", () =>
    Effect.gen(function*() {
      const [one] = yield* many(1)
      const id = one?.id ?? nobody
      const moved = yield* JobQueue.reschedule([id, nobody], { delay: "2 hours" })
      assert.deepStrictEqual(moved, { changed: [id], unchanged: [], unknown: [nobody], more: false })
      yield* JobQueue.reschedule([id], { at: DateTime.makeUnsafe("+275760-09-13T00:00:00Z") })
      assert.strictEqual((yield* job(id)).runAt?.epochMilliseconds, Date.UTC(9999, 11, 31))
      assert.deepStrictEqual((yield* JobQueue.erase([id])).unchanged, [id])
      assert.deepStrictEqual((yield* JobQueue.retry([id])).changed, [id])
      yield* Effect.flatMap(JobStore.JobStore, (jobs) => jobs.promote(10))
      assert.strictEqual((yield* job(id)).state, "available")
      yield* JobQueue.cancel([id])
      assert.deepStrictEqual((yield* JobQueue.erase([id, nobody], { actor: "ada" })).changed, [id])
      assert.notDeepEqual((yield* job(id)).payload, { to: "0" })
    }).pipe(Effect.provide(store)))

  it.effect("a job that is not there is a typed error", () =>
    Effect.gen(function*() {
      assert.include((yield* Effect.flip(JobQueue.get(nobody))).message, "there is no job 7")
      assert.strictEqual((yield* Effect.flip(JobQueue.explain(nobody)))._tag, "JobNotFound")
      assert.strictEqual((yield* Effect.flip(JobQueue.queue("none")))._tag, "QueueNotFound")
      assert.strictEqual((yield* Effect.flip(JobQueue.pause({ queue: "none" })))._tag, "QueueNotFound")
    }).pipe(Effect.provide(store)))
})

describe("control of queues", () => {
  const paused = (target: Parameters<typeof JobQueue.pause>[0]) => () =>
    Effect.gen(function*() {
      const enqueue = RunContext.within({ tenant: "acme" })(JobQueue.enqueue(Send, { to: "x" }))
      const first = yield* enqueue
      yield* reaches(first.id, "completed")
      yield* JobQueue.pause(target)
      // until every worker knows
      yield* pass(1)
      const second = yield* enqueue
      yield* pass(3)
      assert.strictEqual((yield* job(second.id)).attempt, 0)
      assert.notStrictEqual((yield* job(second.id)).state, "completed")
      const free = yield* JobQueue.enqueue(Tidy, {}, { queue: "other" })
      yield* reaches(free.id, "completed")
      yield* JobQueue.resume(target)
      yield* pass(3)
      yield* reaches(second.id, "completed")
    }).pipe(Effect.provide(Layer.provideMerge(working(), store)))

  it.effect("a paused queue starts nothing until it is resumed", paused({ queue: "default" }))
  it.effect("a paused task starts nothing until it is resumed", paused({ task: Send }))
  it.effect("a paused tenant starts nothing until it is resumed", paused({ tenant: "acme" }))

  it.effect("drain waits until nothing of it runs, and it stays paused", () => {
    const open = Deferred.makeUnsafe<void>()
    return Effect.gen(function*() {
      const runs = yield* JobQueue.enqueue(Send, { to: "x" })
      yield* reaches(runs.id, "running")
      const draining = yield* Effect.forkChild(JobQueue.drain({ task: "send" }), { startImmediately: true })
      yield* pass(5)
      assert.isUndefined(draining.pollUnsafe())
      yield* Deferred.succeed(open, undefined)
      yield* pass(3)
      yield* Fiber.join(draining)
      assert.strictEqual((yield* job(runs.id)).state, "completed")
      assert.deepStrictEqual(Array.from(yield* JobQueue.paused), ["task:send"])
    }).pipe(Effect.provide(Layer.provideMerge(working(Deferred.await(open)), store)))
  })

  it.effect("a limit holds for what waits already", () => {
    let running = 0
    let most = 0
    const send = Effect.gen(function*() {
      running += 1
      most = Math.max(most, running)
      yield* Effect.sleep("1 second")
      running -= 1
    })
    return Effect.gen(function*() {
      yield* JobQueue.setLimit("forge", { permits: 2 })
      const jobs = yield* JobQueue.enqueueAll(
        Array.from({ length: 6 }, (_, n) => JobQueue.job(Send, { to: `${n}` }, { limit: { name: "forge", key: "a" } }))
      )
      yield* Layer.build(working(send))
      yield* pass(8)
      for (const { id } of jobs) yield* reaches(id, "completed")
      assert.strictEqual(most, 2)
      const limits = yield* JobQueue.limits
      assert.deepStrictEqual(limits.find(({ name }) => name === "forge"), { name: "forge", permits: 2, rate: null })
    }).pipe(Effect.scoped, Effect.provide(store))
  })

  it.effect("settings that make no sense are refused with the value", () =>
    Effect.gen(function*() {
      const refusals = yield* Effect.forEach([
        JobQueue.setLimit("a", {}),
        JobQueue.setLimit("order", { permits: 2 }),
        JobQueue.setLimit("a", { permits: 0 }),
        JobQueue.setLimit("a", { rate: { units: 1, per: 0 } }),
        JobQueue.setLimit("a", { rate: { units: 1, per: 1e300 } }),
        JobQueue.setLimit("a\n", { permits: 1 }),
        JobQueue.configure("", { fair: true }),
        JobQueue.configure("q", { ageing: -1 }),
        JobQueue.configure("q", { limit: "none" }),
        JobQueue.pause({ tenant: "\u0000" }),
        JobQueue.pause({ task: "t".repeat(129) })
      ], (effect: Effect.Effect<void, { readonly message: string }, JobStore.JobStore>) =>
        Effect.map(Effect.flip(effect), ({ message }) =>
          message))
      assert.deepStrictEqual(refusals, [
        "limit a cannot be set so: it has neither permits nor a rate",
        "limit order cannot be set so: order is the limit behind orderBy, which has one permit",
        "limit a cannot be set so: permits 0 is no whole number from 1 to 100000",
        "limit a cannot be set so: the time of its rate is no duration above zero and up to a year",
        "limit a cannot be set so: the time of its rate is no duration above zero and up to a year",
        "limit a\n cannot be set so: its name \"a\\n\" has characters that cannot be seen",
        "queue  cannot be set so: its name is empty",
        "queue q cannot be set so: ageing is no duration above zero and up to a year",
        "queue q cannot be set so: there is no limit none: set it first",
        "the pause of tenant \u0000 cannot be set so: its name \"\\u0000\" has characters that cannot be seen",
        `the pause of task ${
          "t".repeat(129)
        } cannot be set so: its name has 129 characters, and at most 128 are allowed: ${"t".repeat(32)}…`
      ])
    }).pipe(Effect.provide(store)))

  it.effect("only an empty queue changes its order", () =>
    Effect.gen(function*() {
      yield* JobQueue.configure("q", { fair: true })
      assert.isTrue((yield* JobQueue.queue("q")).fair)
      yield* JobQueue.enqueue(Tidy, {}, { queue: "q" })
      const error = yield* Effect.flip(JobQueue.configure("q", { fair: false }))
      assert.include(error.message, "queue q cannot be set so")
      yield* until("it is unchanged", Effect.map(JobQueue.queue("q"), ({ fair }) => fair))
    }).pipe(Effect.provide(store)))
})

import { assert, layer as withLayer } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { Task } from "ostinato"
import { JobAttempt, JobQueue, JobStore } from "ostinato/jobs"
import { PeriodicTask, TaskScheduler, Timetable } from "ostinato/schedule"
import { TestJobs } from "ostinato/testing"

class Declined extends Schema.TaggedError<Declined>()("Declined", { why: Schema.String }) {}

const at: Array<string> = []
const noteTime = Effect.map(DateTime.now, (now) => void at.push(DateTime.formatIso(now)))

const Count = Task.make("count", { payload: { n: Schema.Int }, success: Schema.Int })
const CountLive = Count.toLayer(({ n }) => Effect.as(noteTime, n + 1))

let declines = 0
const Charge = Task.make("charge", {
  payload: { cents: Schema.Int },
  error: Declined,
  retry: Schedule.exponential("1 hour").pipe(Schedule.upTo({ times: 4 }))
})
const ChargeLive = Charge.toLayer(() =>
  Effect.andThen(
    noteTime,
    Effect.suspend(() => declines-- > 0 ? Effect.fail(new Declined({ why: "no funds" })) : Effect.void)
  )
)

const Slow = Task.make("slow")
const SlowLive = Slow.toLayer(() => Effect.sleep("20 minutes"))

const Wait = Task.make("wait")
const WaitLive = Wait.toLayer(() => JobAttempt.snooze("1 hour", "not yet"))

const live = Layer.mergeAll(CountLive, ChargeLive, SlowLive, WaitLive)

const fresh = () => Layer.fresh(Layer.merge(TestJobs.layer, live))

withLayer(fresh())("TestJobs drain and perform", (it) => {
  it.effect("works off what is due in the order of the queue, and nothing that is not", () =>
    Effect.gen(function*() {
      yield* JobQueue.enqueue(Count, { n: 1 })
      yield* JobQueue.enqueue(Count, { n: 2 }, { priority: "high" })
      yield* JobQueue.enqueue(Count, { n: 3 }, { delay: "1 second" })
      yield* JobQueue.enqueue(Slow, {}, { queue: "other" })
      const ran = yield* TestJobs.drain({ tasks: [Count] })
      assert.deepStrictEqual(ran.map(({ outcome, output }) => [outcome, output]), [["completed", 3], ["completed", 2]])
      assert.deepStrictEqual(yield* TestJobs.drain({ tasks: [Count] }), [])
    }))

  it.effect("moves the clock on while handlers take their time", () =>
    Effect.gen(function*() {
      const before = yield* DateTime.now
      const [ran] = yield* TestJobs.drain({ tasks: [Slow] })
      assert.strictEqual(ran?.outcome, "completed")
      const job = yield* TestJobs.assertEnqueued({ task: Slow, state: "completed" })
      const runMs = (job.finishedAt?.epochMilliseconds ?? 0) - (job.startedAt?.epochMilliseconds ?? 0)
      assert.strictEqual(runMs, 20 * 60_000)
      assert.isAtLeast((yield* DateTime.now).epochMilliseconds - before.epochMilliseconds, runMs)
    }))

  it.effect("says which jobs did not end in time", () =>
    Effect.gen(function*() {
      yield* JobQueue.enqueue(Slow, {}, { queue: "late" })
      const error = yield* Effect.flip(TestJobs.drain({ tasks: [Slow], queues: ["late"], within: "1 minute" }))
      assert.strictEqual(error._tag, "JobsNotDone")
      assert.include(error.message, "late")
      // its attempt was interrupted and given back, unspent
      assert.deepInclude(yield* TestJobs.assertEnqueued({ queue: "late" }), { state: "available", attempt: 0 })
    }))

  it.effect("performs one attempt and gives its exit, typed", () =>
    Effect.gen(function*() {
      const counted = yield* TestJobs.perform(Count, { n: 41 })
      assert.deepStrictEqual([counted.outcome, counted.exit], ["completed", Exit.succeed(42)])
      declines = 1
      const declined = yield* TestJobs.perform(Charge, { cents: 5 })
      assert.deepStrictEqual([declined.outcome, declined.job.state, declined.job.attempt], ["retry", "retryable", 1])
      assert.deepStrictEqual(declined.exit, Exit.fail(new Declined({ why: "no funds" })))
      const last = yield* Effect.andThen(
        Effect.sync(() => declines = 1),
        TestJobs.perform(Charge, { cents: 5 }, { maxAttempts: 1 })
      )
      assert.deepStrictEqual([last.outcome, last.job.state], ["discarded", "discarded"])
    }))

  it.effect("performs an attempt that snoozes", () =>
    Effect.gen(function*() {
      const performed = yield* TestJobs.perform(Wait, {})
      assert.deepStrictEqual([performed.outcome, performed.job.state, performed.job.attempt], [
        "snooze",
        "scheduled",
        0
      ])
      assert.isTrue(Exit.isFailure(performed.exit))
    }))
})

withLayer(fresh())("TestJobs expectations", (it) => {
  it.effect("finds a job by any of its sides, and shows the nearest ones with what differs", () =>
    Effect.gen(function*() {
      const due = DateTime.addDuration(yield* DateTime.now, "2 hours")
      yield* JobQueue.enqueue(Charge, { cents: 100 }, { queue: "money", tags: ["vip"], tenant: "acme", priority: 7 })
      yield* JobQueue.enqueue(Count, { n: 1 }, { delay: "2 hours" })
      yield* TestJobs.assertEnqueued({ task: Charge })
      yield* TestJobs.assertEnqueued({
        task: "charge",
        queue: "money",
        tags: ["vip"],
        priority: 7,
        payload: { cents: 100 }
      })
      yield* TestJobs.assertEnqueued({ task: Count, at: due, state: "scheduled" })
      yield* TestJobs.assertNotEnqueued({ task: Charge, payload: { cents: 99 } })
      const missing = yield* Effect.flip(
        TestJobs.assertEnqueued({ task: Charge, queue: "money", payload: { cents: 99, currency: "EUR" }, tags: ["eu"] })
      )
      assert.include(missing.message, "payload.cents: expected 99, is 100")
      assert.include(missing.message, `payload.currency: expected "EUR", is not there`)
      assert.include(missing.message, `tags: expected "eu" among ["vip"]`)
      assert.match(missing.message, /Nearest:\n {2}job \d+ of charge in queue money/)
      const there = yield* Effect.flip(TestJobs.assertNotEnqueued({ task: Charge }))
      assert.include(there.message, "of charge in queue money, available, priority 7")
    }))
})

withLayer(fresh())("TestJobs advance", (it) => {
  it.effect("S3.26 S3.27 attempts come at the instants of the back-off", () =>
    Effect.gen(function*() {
      at.length = 0
      declines = 3
      yield* JobQueue.enqueue(Charge, { cents: 1 })
      const ran = yield* TestJobs.advance("1 day", { tasks: [Charge] })
      assert.deepStrictEqual(ran.map(({ attempt, outcome }) => [attempt, outcome]), [
        [1, "retry"],
        [2, "retry"],
        [3, "retry"],
        [4, "completed"]
      ])
      assert.deepStrictEqual(at.map((instant) => instant.slice(11, 13)), ["00", "01", "03", "07"])
    }))

  it.effect("S2.30 a job whose worker died runs again when the lease is over", () =>
    Effect.gen(function*() {
      yield* JobQueue.enqueue(Count, { n: 5 }, { queue: "crashy" })
      const [id] = yield* TestJobs.crash("crashy")
      assert.deepStrictEqual(yield* TestJobs.advance("29 seconds", { tasks: [Count] }), [])
      const ran = yield* TestJobs.advance("1 second", { tasks: [Count] })
      assert.deepStrictEqual(ran.map(({ attempt, id, outcome }) => [id, attempt, outcome]), [[id!, 2, "completed"]])
    }))

  it.effect("a limit lets jobs start at its exact instants", () =>
    Effect.gen(function*() {
      at.length = 0
      const store = yield* JobStore.JobStore
      const start = (yield* DateTime.now).epochMilliseconds
      yield* store.limits.set({ name: "calls", permits: null, rate: { units: 1, perMs: 7_000_000, burst: 2 } })
      yield* Effect.forEach([1, 2, 3, 4], (n) =>
        JobQueue.enqueue(Count, { n }, { queue: "limited", limit: { name: "calls", key: "k" } }))
      yield* TestJobs.advance("1 day", { tasks: [Count] })
      const after = at.map((instant) =>
        DateTime.makeUnsafe(instant).epochMilliseconds - start
      )
      assert.deepStrictEqual(after, [0, 0, 7_000_000, 14_000_000])
    }))
})

const Nightly = PeriodicTask.make("nightly", {
  timetable: Timetable.cronUnsafe("0 2 * * *"),
  task: Charge,
  payload: { cents: 1 },
  mode: "enqueue",
  dispatch: JobQueue.dispatch({ queue: "nightly" })
})

withLayer(
  Layer.fresh(Layer.provideMerge(
    TaskScheduler.layer([Nightly], { poll: "1 day" }),
    Layer.merge(TestJobs.layer, live)
  ))
)("TestJobs and schedules", (it) => {
  it.effect("thirty days of cron, back-off, leases and limits pass in milliseconds", () =>
    Effect.gen(function*() {
      at.length = 0
      declines = 2
      const scheduler = yield* TaskScheduler.TaskScheduler
      yield* scheduler.start
      yield* JobQueue.enqueue(Count, { n: 1 }, { queue: "crashy" })
      yield* TestJobs.crash("crashy")
      const ran = yield* TestJobs.advance("30 days", { tasks: [Charge, Count] })
      const charges = ran.filter(({ task }) => task === "charge")
      assert.strictEqual(charges.filter(({ outcome }) => outcome === "completed").length, 30)
      assert.strictEqual(charges.filter(({ outcome }) => outcome === "retry").length, 2)
      assert.deepStrictEqual(ran.filter(({ task }) => task === "count").map(({ attempt }) => attempt), [2])
      assert.deepStrictEqual(at.slice(0, 5), [
        "1970-01-01T00:00:30.000Z",
        "1970-01-01T02:00:00.000Z",
        "1970-01-01T03:00:00.000Z",
        "1970-01-01T05:00:00.000Z",
        "1970-01-02T02:00:00.000Z"
      ])
    }))
})

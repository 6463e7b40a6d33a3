import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { type Dispatch, RunGate, Task } from "ostinato"
import { Job, JobError, JobFilter, JobQueue, JobResult, JobStore, JobWorker } from "ostinato/jobs"
import { changed, job, pass, reaches, settle, store, until } from "./Working.ts"

class Busy extends Schema.TaggedError<Busy>()("Busy", { until: Schema.DateTimeUtc }) {}

const Send = Task.make("send", {
  payload: { to: Schema.String, at: Schema.optionalKey(Schema.DateTimeUtc) },
  success: Schema.Struct({ receipt: Schema.String }),
  error: Busy,
  timeout: "10 seconds"
})
const Tidy = Task.make("tidy")

const all = JobQueue.query(JobFilter.all)

const working = (
  send: Parameters<typeof Send.toLayer<never>>[0] = ({ to }) => Effect.succeed({ receipt: `to ${to}` })
) =>
  JobWorker.layer({ queues: { default: {} }, tasks: [Send, Tidy] }).pipe(
    Layer.provide([Send.toLayer(send), Tidy.toLayer(() => Effect.void)])
  )

const working2 = (send?: Parameters<typeof Send.toLayer<never>>[0]) => Layer.provideMerge(working(send), store)

describe("JobQueue", () => {
  describe("result", () => {
    it.effect("S3.32 gives the typed value and the typed error back, from anywhere", () =>
      Effect.gen(function*() {
        const good = yield* JobQueue.enqueue(Send, { to: "ada" })
        assert.deepStrictEqual(yield* JobQueue.result(Send, good.id), { receipt: "to ada" })
        const bad = yield* JobQueue.enqueue(Send, { to: "busy" })
        const error = yield* Effect.flip(JobQueue.result(Send, bad.id))
        assert.deepStrictEqual(error, new Busy({ until: DateTime.makeUnsafe(5000) }))
        const nothing = yield* JobQueue.enqueue(Tidy, {})
        assert.isUndefined(yield* JobQueue.result(Tidy, nothing.id))
      }).pipe(
        Effect.provide(working2(({ to }) =>
          to === "busy"
            ? Effect.fail(new Busy({ until: DateTime.makeUnsafe(5000) }))
            : Effect.succeed({ receipt: `to ${to}` })
        ))
      ))

    it.effect("S3.32 a job that is lost with its last attempt fails whoever waits for it, and does not hang", () =>
      Effect.gen(function*() {
        const jobs = yield* JobStore.JobStore
        const { id } = yield* JobQueue.enqueue(Send, { to: "ada" }, { maxAttempts: 1 })
        const waiting = yield* Effect.forkChild(Effect.flip(JobQueue.result(Send, id)))
        const lost = yield* Effect.scoped(Effect.gen(function*() {
          const member = yield* jobs.join({ node: "a", info: null, serves: {} })
          return yield* jobs.claim(member, "default", 1)
        }))
        assert.strictEqual(lost.length, 1)
        yield* TestClock.adjust("31 seconds")
        yield* jobs.rescue
        yield* pass(3)
        const error = yield* Fiber.join(waiting)
        assert.deepInclude(error, { _tag: "JobEnded", id, state: "discarded" })
      }).pipe(Effect.provide(store)))

    it.effect("tells a timeout, a cancellation, a defect and a job that is not there apart", () =>
      Effect.gen(function*() {
        const { id: slow } = yield* JobQueue.enqueue(Send, { to: "slow" })
        yield* reaches(slow, "running")
        yield* pass(11)
        assert.deepInclude(yield* Effect.flip(JobQueue.result(Send, slow)), { _tag: "TaskTimeout", timeoutMs: 10_000 })
        const { id: broken } = yield* JobQueue.enqueue(Send, { to: "broken" })
        assert.deepInclude(yield* Effect.flip(JobQueue.result(Send, broken)), { _tag: "JobEnded", state: "discarded" })
        const { id: cancelled } = yield* JobQueue.enqueue(Send, { to: "x" }, { delay: "1 day" })
        yield* JobQueue.cancel([cancelled], { actor: "ada", reason: "why not" })
        assert.deepInclude(yield* Effect.flip(JobQueue.result(Send, cancelled)), {
          state: "cancelled",
          detail: "cancelled by ada: why not"
        })
        const none = yield* Effect.flip(JobQueue.result(Send, Job.JobId.make("7")))
        assert.include(none.message, "there is no job 7")
      }).pipe(
        Effect.provide(working2(({ to }) => to === "slow" ? Effect.never : Effect.die(new Error("no receipt"))))
      ))

    it.effect("many waiters share their looks, and each that leaves hands over", () => {
      let looks = 0
      return Effect.gen(function*() {
        const jobs = yield* JobQueue.enqueueAll(
          Array.from({ length: 200 }, (_, n) => JobQueue.job(Send, { to: `${n}` }))
        )
        const [first, ...others] = yield* Effect.forEach(
          jobs,
          ({ id }) => Effect.forkChild(JobQueue.result(Send, id), { startImmediately: true })
        )
        yield* settle
        assert.isBelow(looks, 5)
        yield* first === undefined ? Effect.void : Fiber.interrupt(first)
        yield* Layer.build(working())
        for (const one of others) yield* until("it has its result", Effect.sync(() => one.pollUnsafe() !== undefined))
        const [last] = (yield* Fiber.joinAll(others)).slice(-1)
        assert.strictEqual(last?.receipt, "to 199")
        // waiters that look for themselves would look a thousand times
        assert.isBelow(looks, 200)
      }).pipe(
        Effect.scoped,
        Effect.provide(changed((jobs) => ({
          getMany: (ids) => {
            looks += 1
            return jobs.getMany(ids)
          }
        })))
      )
    })

    it.effect("a store that is away for a while delays the result; one that stays away is a typed error", () => {
      let isAway = true
      return Effect.gen(function*() {
        const { id } = yield* JobQueue.enqueue(Send, { to: "ada" })
        const waiting = yield* Effect.forkChild(JobQueue.result(Send, id), { startImmediately: true })
        yield* pass(3)
        isAway = false
        yield* pass(3)
        yield* Layer.build(working())
        assert.deepStrictEqual(yield* Fiber.join(waiting), { receipt: "to ada" })
        isAway = true
        const lost = yield* Effect.forkChild(Effect.flip(JobResult.wait(Send, id)), { startImmediately: true })
        yield* pass(30)
        assert.strictEqual((yield* Fiber.join(lost))._tag, "JobStoreUnavailable")
      }).pipe(
        Effect.scoped,
        Effect.provide(changed((jobs) => ({
          getMany: (ids) =>
            Effect.suspend(() =>
              isAway
                ? Effect.fail(new JobError.JobStoreUnavailable({ operation: "look", detail: "away" }))
                : jobs.getMany(ids)
            )
        })))
      )
    })
  })

  describe("dispatch", () => {
    it.effect("is a Dispatch: the run is the job, and awaiting it gives the typed result", () =>
      Effect.gen(function*() {
        const dispatch: Dispatch.Dispatch<typeof Send, JobQueue.EnqueueError, JobStore.JobStore> = JobQueue.dispatch({
          queue: "default",
          unique: { by: ["to"] }
        })
        const trigger = { kind: "cli", host: "h", pid: 1 } as const
        const run = yield* dispatch(Send, { to: "ada" }, trigger)
        const id = Job.jobIdOf(run.id)
        assert.deepStrictEqual(yield* run.await, { receipt: "to ada" })
        assert.deepStrictEqual((yield* job(id ?? Job.JobId.make("1"))).meta.trigger, trigger)
      }).pipe(Effect.provide(working2())))

    it.effect("a tick makes one job, however often it is dispatched; a duplicate is the run that is there", () =>
      Effect.gen(function*() {
        const tick = (minute: number) =>
          ({ kind: "schedule", schedule: "nightly", tick: DateTime.makeUnsafe(minute * 60_000) }) as const
        const dispatch = JobQueue.dispatch()
        const first = yield* dispatch(Tidy, {}, tick(1))
        const again = yield* dispatch(Tidy, {}, tick(1))
        const next = yield* dispatch(Tidy, {}, tick(2))
        assert.strictEqual(first.id, again.id)
        assert.notStrictEqual(first.id, next.id)
        const unique = JobQueue.dispatch({ unique: {} })
        const held = yield* unique(Tidy, {}, tick(3))
        assert.strictEqual((yield* unique(Tidy, {}, tick(4))).id, held.id)
        assert.strictEqual((yield* all).length, 3)
      }).pipe(Effect.provide(store)))

    it.effect("asks the gate: where it says no, nothing is enqueued and the run is skipped", () =>
      Effect.gen(function*() {
        const dispatch = JobQueue.dispatch()
        assert.isTrue(RunGate.asks(dispatch))
        const run = yield* dispatch(Tidy, {}, { kind: "code" }).pipe(
          Effect.provideService(RunGate.RunGate, Effect.succeed(false))
        )
        assert.strictEqual((yield* Effect.flip(run.await))._tag, "TaskSkipped")
        assert.deepStrictEqual(yield* all, [])
      }).pipe(Effect.provide(store)))

    it.effect("whoever awaits the run gets what only jobs can meet as an interruption with its reason", () =>
      Effect.gen(function*() {
        const run = yield* JobQueue.dispatch({ delay: "1 day" })(Tidy, {}, { kind: "code" })
        const id = Job.jobIdOf(run.id)
        yield* JobQueue.cancel(id === null ? [] : [id], { actor: "ada" })
        const error = yield* Effect.flip(run.await)
        assert.deepInclude(error, { _tag: "TaskInterrupted", reason: "cancelled by ada" })
      }).pipe(Effect.provide(store)))
  })
})

import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { Task, TaskError } from "ostinato"
import { CheckpointUnavailable } from "ostinato/core/CheckpointStore"
import { JobId } from "ostinato/jobs/Job"
import type { JobOptions } from "ostinato/jobs/JobOptions"
import * as JobQueue from "ostinato/jobs/JobQueue"
import * as JobResult from "ostinato/jobs/JobResult"
import { JobStore } from "ostinato/jobs/JobStore"
import * as JobWorker from "ostinato/jobs/JobWorker"
import * as PayloadVersion from "ostinato/jobs/PayloadVersion"
import { newJob } from "../../src/testing/internal/jobStore/newJob.ts"
import { job, pass, reaches, store, worker } from "./Working.ts"

class Busy extends Schema.TaggedError<Busy>()("Busy", { seconds: Schema.Int }) {}

const fiveTenTwenty = Schedule.exponential("5 seconds").pipe(Schedule.upTo({ times: 2 }))

/** Runs a job whose attempts all do the same, notes when they begin, and gives it when it has ended. */
const attempts = (
  options: Task.Options<{}, Schema.Void, typeof Busy>,
  handler: Effect.Effect<void, Busy>,
  { job = {}, seconds = 120, serve = {} }: {
    readonly job?: JobOptions<{}>
    readonly serve?: JobWorker.ServeOptions<Busy>
    readonly seconds?: number
  } = {}
) =>
  Effect.gen(function*() {
    const at: Array<number> = []
    const Work = Task.make("work", { error: Busy, ...options })
    const live = Work.toLayer(() =>
      Effect.andThen(Effect.map(Clock.currentTimeMillis, (now) => at.push(now / 1000)), handler)
    )
    const { id } = yield* JobQueue.enqueue(Work, {}, job)
    return yield* Effect.gen(function*() {
      yield* pass(seconds)
      const ended = yield* reaches(id, "completed", "discarded", "cancelled", "scheduled")
      const result = ended.finishedAt === null ? null : JobResult.read(Work, ended)
      return { at, job: ended, result }
    }).pipe(Effect.provide(Layer.provide(worker([JobWorker.serve(Work, serve)]), live)))
  })

const fails = Effect.fail(new Busy({ seconds: 7 }))

describe("retries of a job", () => {
  it.effect("S3.26 come 0, 5 and 15 seconds after the first, by the policy of the task", () =>
    Effect.gen(function*() {
      const { at, job } = yield* attempts({ retry: fiveTenTwenty }, fails)
      assert.deepStrictEqual(at.map((second) => Math.round(second)), [0, 5, 15])
      assert.deepInclude(job, { state: "discarded", attempt: 3 })
      assert.strictEqual(job.failure?.tag, "Busy")
    }).pipe(Effect.provide(store)))

  it.effect("S3.26 come within a fifth of their delays where the policy has jitter", () =>
    Effect.gen(function*() {
      const { at } = yield* attempts({ retry: Schedule.jittered(fiveTenTwenty) }, fails)
      const [first = 0, second = 0, third = 0] = at
      assert.strictEqual(at.length, 3)
      assert.isTrue(second - first >= 4 && second - first <= 6.1, at.join(" "))
      assert.isTrue(third - second >= 8 && third - second <= 12.1, at.join(" "))
    }).pipe(Effect.provide(store)))

  it.effect("S3.26 do not come for an error that the policy does not take", () =>
    Effect.gen(function*() {
      const retry = Schedule.while(
        Schedule.exponential("5 seconds").pipe(Schedule.setInputType<Busy | TaskError.TaskTimeout>()),
        ({ input }) => !(input instanceof Busy)
      )
      const { at, job } = yield* attempts({ retry }, fails)
      assert.strictEqual(at.length, 1)
      assert.strictEqual(job.state, "discarded")
    }).pipe(Effect.provide(store)))

  it.effect("S2.81 do not come for a task without a policy, and its typed error reaches whoever awaits the job", () =>
    Effect.gen(function*() {
      const { at, job, result } = yield* attempts({}, fails)
      assert.strictEqual(at.length, 1)
      assert.strictEqual(job.state, "discarded")
      assert.deepInclude(result, { _tag: "Failure", failure: new Busy({ seconds: 7 }) })
    }).pipe(Effect.provide(store)))

  it.effect.each([
    { what: "its own failure", handler: fails, kind: "failure", tag: "Busy" },
    { what: "its timeout", handler: Effect.never, kind: "failure", tag: "TaskTimeout" },
    { what: "a defect", handler: Effect.die(new TypeError("no")), kind: "defect", tag: "TypeError" },
    { what: "an interruption by itself", handler: Effect.interrupt, kind: "failure", tag: "TaskInterrupted" }
  ])(
    "S3.24 are spent for $what, and the job says that it was this",
    ({ handler, kind, tag }) =>
      Effect.gen(function*() {
        const { job } = yield* attempts({ timeout: "3 seconds" }, handler, { seconds: 5 })
        assert.strictEqual(job.state, "discarded")
        assert.deepStrictEqual<unknown>([job.failure?.kind, job.failure?.tag], [kind, tag])
      }).pipe(Effect.provide(store))
  )

  it.effect("end with the attempts of the job, whatever the policy says", () =>
    Effect.gen(function*() {
      const { at } = yield* attempts({ retry: Schedule.spaced("1 second") }, fails, { job: { maxAttempts: 4 } })
      assert.strictEqual(at.length, 4)
    }).pipe(Effect.provide(store)))

  it.effect.each([
    { policy: "bounded in number", retry: Schedule.exponential("1 second").pipe(Schedule.upTo({ times: 4 })) },
    { policy: "bounded in time", retry: Schedule.spaced("10 seconds").pipe(Schedule.upTo({ duration: "25 seconds" })) },
    {
      policy: "made of two",
      retry: Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("3 seconds")]).pipe(
        Schedule.upTo({ times: 5 })
      )
    }
  ])("come when they come in one process, for a policy $policy", ({ retry }) =>
    Effect.gen(function*() {
      const here: Array<number> = []
      const Here = Task.fn("here", { error: Busy, retry }, () =>
        Effect.andThen(
          Effect.map(Clock.currentTimeMillis, (now) => here.push(now / 1000)),
          fails
        ))
      yield* Effect.forkChild(Effect.exit(Task.run(Here, {})))
      yield* pass(60)
      const { at } = yield* attempts({ retry }, fails, { seconds: 60 })
      assert.deepStrictEqual(at.map((second) => Math.round(second - 60)), here.map((second) => Math.round(second)))
    }).pipe(Effect.provide(store)))

  it.effect("follow a timeout as they follow a failure", () =>
    Effect.gen(function*() {
      const { at, job, result } = yield* attempts(
        { retry: Schedule.recurs(1), timeout: "3 seconds" },
        Effect.never
      )
      assert.deepStrictEqual(at.map((second) => Math.round(second)), [0, 3])
      assert.strictEqual(job.failure?.tag, "TaskTimeout")
      assert.deepInclude(result, { failure: new TaskError.TaskTimeout({ task: "work", timeoutMs: 3000 }) })
    }).pipe(Effect.provide(store)))

  it.effect("a job's own limit takes the place of its task's", () =>
    Effect.gen(function*() {
      const { job } = yield* attempts({ timeout: "1 hour" }, Effect.never, { job: { timeout: "2 seconds" } })
      assert.strictEqual(job.failure?.message.includes("2000 ms"), true)
    }).pipe(Effect.provide(store)))

  it.effect("come for a defect that says that the database was away, though its task has no policy", () =>
    Effect.gen(function*() {
      const away = new CheckpointUnavailable({ operation: "save", key: "step", detail: "the server is restarting" })
      const { at, job } = yield* attempts({}, Effect.die(away), { job: { maxAttempts: 4 } })
      assert.deepStrictEqual(at.map((second) => Math.round(second)), [0, 1, 3, 7])
      assert.deepInclude(job, { state: "discarded", attempt: 4 })
    }).pipe(Effect.provide(store)))

  it.effect("do not come for a defect unless somebody says so", () =>
    Effect.gen(function*() {
      const once = yield* attempts({ retry: fiveTenTwenty }, Effect.die(new Error("a bug")))
      assert.strictEqual(once.at.length, 1)
      assert.deepInclude(once.job.failure, { kind: "defect", message: "a bug" })
      const thrice = yield* attempts({}, Effect.die(new Error("a bug")), {
        serve: { retryDefects: Schedule.spaced("1 second").pipe(Schedule.upTo({ times: 2 })) }
      })
      assert.strictEqual(thrice.at.length, 3)
    }).pipe(Effect.provide(store)))

  it.effect("are decided by the error where somebody decides: discard, or again later unspent", () =>
    Effect.gen(function*() {
      const discarded = yield* attempts({ retry: fiveTenTwenty }, fails, { serve: { onError: () => "discard" } })
      assert.strictEqual(discarded.at.length, 1)
      const snoozed = yield* attempts({}, fails, {
        serve: { onError: (error) => error instanceof Busy ? { snooze: `${error.seconds} minutes` } : "retry" }
      })
      assert.deepInclude(snoozed.job, { state: "scheduled", attempt: 0 })
      assert.include(snoozed.job.reason, "Busy")
    }).pipe(Effect.provide(store)))

  it.effect("end at the deadline: a job that runs is interrupted, and one whose turn comes later does not begin", () =>
    Effect.gen(function*() {
      const cut = yield* attempts({ timeout: "1 hour" }, Effect.never, { job: { deadline: "10 seconds" } })
      assert.deepInclude(cut.job, { state: "discarded" })
      assert.strictEqual(cut.job.failure?.tag, "DeadlinePassed")
      const late = yield* attempts({}, Effect.void, { job: { deadline: "10 seconds", delay: "20 seconds" } })
      assert.deepStrictEqual(late.at, [])
      assert.strictEqual(late.job.failure?.tag, "DeadlinePassed")
      const pointless = yield* attempts({ retry: Schedule.spaced("1 minute") }, fails, {
        job: { deadline: "30 seconds" }
      })
      assert.strictEqual(pointless.at.length, 1)
      assert.deepInclude(pointless.job, { state: "discarded" })
    }).pipe(Effect.provide(store)))

  it.effect("a value that does not fit the task's Schema discards the job and says what does not fit", () =>
    Effect.gen(function*() {
      const Count = Task.make("count", { success: Schema.Int })
      const { id } = yield* JobQueue.enqueue(Count, {})
      const ended = yield* reaches(id, "discarded").pipe(
        Effect.provide(Layer.provide(worker([Count]), Count.toLayer(() => Effect.succeed(1.5))))
      )
      assert.strictEqual(ended.failure?.tag, "ResultInvalid")
    }).pipe(Effect.provide(store)))
})

const Sync = Task.make("sync", { payload: { platforms: Schema.Array(Schema.String) }, success: Schema.Int })

describe("a job that this process cannot read", () => {
  it.effect("waits unspent, longer each time, and goes on when a process can", () =>
    Effect.gen(function*() {
      const jobs = yield* JobStore
      const [enqueued] = yield* jobs.enqueue([newJob("default", { task: "sync", payload: { platform: "github" } })])
      const { id } = enqueued!
      const handler = Sync.toLayer(({ platforms }) => Effect.succeed(platforms.length))
      const dues = new Set([0])
      yield* Effect.gen(function*() {
        for (let second = 0; second < 150; second++) {
          const waiting = yield* reaches(id, "scheduled")
          assert.strictEqual(waiting.attempt, 0)
          assert.include(waiting.reason, "does not fit the task's Schema")
          dues.add(Math.round(DateTime.toEpochMillis(waiting.runAt!) / 1000))
          yield* pass(1)
        }
      }).pipe(Effect.provide(Layer.provide(worker([Sync]), handler)))
      const waits = Array.from(dues).map((due, i, all) => due - (all[i - 1] ?? 0)).slice(1)
      assert.deepStrictEqual(waits, [30, 30, 30, 45, 68])
      const Newer = PayloadVersion.of(Sync, {
        version: 2,
        from: { 1: (json) => ({ platforms: [Predicate.hasProperty(json, "platform") ? String(json.platform) : ""] }) }
      })
      yield* Effect.gen(function*() {
        yield* pass(120)
        assert.deepInclude(yield* reaches(id, "completed"), { output: 1, attempt: 1 })
      }).pipe(Effect.provide(Layer.provide(worker([Newer]), handler)))
    }).pipe(Effect.provide(store)))

  it.effect("and one of a task that it does not know waits for a process that does", () =>
    Effect.gen(function*() {
      const jobs = yield* JobStore
      const [enqueued] = yield* jobs.enqueue([newJob("default", { task: "newer" })])
      const { id } = enqueued!
      yield* Effect.gen(function*() {
        const waiting = yield* reaches(id, "scheduled")
        assert.strictEqual(waiting.attempt, 0)
        assert.include(waiting.reason, "no handler for task newer")
      }).pipe(
        Effect.provide(Layer.provide(worker([Sync], { partial: true }), Sync.toLayer(() => Effect.succeed(0))))
      )
      assert.strictEqual((yield* job(JobId.make(id))).state, "scheduled")
    }).pipe(Effect.provide(store)))
})
